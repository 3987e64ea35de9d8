select
    decision_id,
    'caps' as gate_name,
    cap_limit is null as is_passed,
    'cap_reached' as reason,
    cap_limit as blocked_by,
    room_at as deferred_until,
    {{ json_object({
        "bypass_caps": "bypass_caps",
        "caps": as_json("cap_operands"),
    }) }} as operands

from {{ ref('contender_limits') }}

-- who came first in this run took the place that the limits had left
select
    decision_id,
    'arbitration' as gate_name,
    outranked_limit is null as is_passed,
    'outranked' as reason,
    outranked_limit as blocked_by,
    room_at as deferred_until,
    {{ json_object({
        "rank": "rank_of_person",
        "rivals": "rivals_of_person",
        "tier": "tier",
        "priority": "priority",
        "score": "score",
    }) }} as operands

from {{ ref('contender_limits') }}

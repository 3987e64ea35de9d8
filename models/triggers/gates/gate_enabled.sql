select
    decision_id,
    'enabled' as gate_name,
    coalesce(is_enabled, false) as is_passed,
    'disabled' as reason,
    trigger_name as blocked_by,
    cast(null as {{ dbt.type_timestamp() }}) as deferred_until,
    {{ json_object({"is_enabled": "is_enabled"}) }} as operands

from {{ ref('candidate_facts') }}

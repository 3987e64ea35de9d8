select
    decision_id,
    'cooldown' as gate_name,
    cooldown_limit is null as is_passed,
    case when cooldown_limit = 're_eligibility' then 'not_eligible_again' else 'cooling_down' end
        as reason,
    cooldown_limit as blocked_by,
    cast(null as {{ dbt.type_timestamp() }}) as deferred_until,
    {{ json_object({
        "limits": as_json("cooldown_operands"),
        "frees_at": "cast(cooldown_frees_at as " ~ dbt.type_string() ~ ")",
    }) }} as operands

from {{ ref('contender_limits') }}

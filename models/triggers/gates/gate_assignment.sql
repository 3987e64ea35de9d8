-- a control or a holdout goes on as a ghost: it meets every later gate, and is sent nothing
select
    decision_id,
    'assignment' as gate_name,
    true as is_passed,
    cast(null as {{ dbt.type_string() }}) as reason,
    cast(null as {{ dbt.type_string() }}) as blocked_by,
    cast(null as {{ dbt.type_timestamp() }}) as deferred_until,
    {{ json_object({
        "is_ghost": "is_ghost",
        "holdout": "holdout",
        "experiment": "experiment",
        "arm": "arm",
        "place": "place",
    }) }} as operands

from {{ ref('candidate_assignments') }}

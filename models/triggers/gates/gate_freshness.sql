with

candidates as (

    select
        *,
        coalesce(expires_at <= {{ as_of() }}, false) as is_expired,
        coalesce(due_at > {{ as_of() }}, false) as is_early

    from {{ ref('candidate_facts') }}

)

-- half-open: at the very instant at which it is due it is sent, at which it expires it is too
-- late
select
    decision_id,
    'freshness' as gate_name,
    not is_expired and not is_early as is_passed,
    case when is_expired then 'expired' else 'not_due' end as reason,
    case when is_expired then 'expiry' else 'delay' end as blocked_by,
    case when is_early and not is_expired then due_at end as deferred_until,
    {{ json_object({
        "moment_at": "cast(moment_at as " ~ dbt.type_string() ~ ")",
        "due_at": "cast(due_at as " ~ dbt.type_string() ~ ")",
        "expires_at": "cast(expires_at as " ~ dbt.type_string() ~ ")",
        "age_seconds": elapsed_seconds("moment_at", as_of()),
    }) }} as operands

from candidates

with

candidates as (

    select * from {{ ref('candidate_facts') }}

),

evidence as (

    select * from {{ ref('session_bot_evidence') }}

)

-- evidence that came after the moment is not written back into it
select
    candidates.decision_id,
    'not_a_bot' as gate_name,
    coalesce(evidence.bot_from_at > candidates.moment_at, true) as is_passed,
    'bot' as reason,
    'not_a_bot' as blocked_by,
    cast(null as {{ dbt.type_timestamp() }}) as deferred_until,
    {{ json_object({
        "session_id": "candidates.session_id",
        "bot_from_at": "cast(evidence.bot_from_at as " ~ dbt.type_string() ~ ")",
        "bot_reasons": "cast(evidence.bot_reasons as " ~ dbt.type_string() ~ ")",
    }) }} as operands

from candidates
left join evidence
    on candidates.session_id = evidence.session_id

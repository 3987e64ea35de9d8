with

candidates as (

    select * from {{ ref('candidate_facts') }}

),

evidence as (

    select * from {{ ref('session_bot_evidence') }}

),

-- evidence that came after the moment is not written back into it, and what no longer held at the
-- moment does not count
standing as (

    select
        candidates.decision_id,
        min(evidence.bot_from_at) as bot_from_at,
        string_agg(evidence.reason, ',' order by evidence.bot_from_at, evidence.reason)
            as bot_reasons

    from candidates
    inner join evidence
        on
            candidates.session_id = evidence.session_id
            and candidates.moment_at >= evidence.bot_from_at
            and (candidates.moment_at < evidence.bot_until_at or evidence.bot_until_at is null)
    group by candidates.decision_id

)

select
    candidates.decision_id,
    'not_a_bot' as gate_name,
    standing.decision_id is null as is_passed,
    'bot' as reason,
    'not_a_bot' as blocked_by,
    cast(null as {{ dbt.type_timestamp() }}) as deferred_until,
    {{ json_object({
        "session_id": "candidates.session_id",
        "bot_from_at": "cast(standing.bot_from_at as " ~ dbt.type_string() ~ ")",
        "bot_reasons": "cast(standing.bot_reasons as " ~ dbt.type_string() ~ ")",
    }) }} as operands

from candidates
left join standing
    on candidates.decision_id = standing.decision_id

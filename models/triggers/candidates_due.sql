with

candidates as (

    select * from {{ ref('trigger_candidates') }}

),

latest_decisions as (

    select * from {{ ref('decisions_made') }}
    where is_latest

),

never_decided as (

    select
        candidates.*,
        false as is_retracted

    from candidates
    left join latest_decisions
        on candidates.decision_id = latest_decisions.decision_id

    where latest_decisions.decision_id is null

),

-- late data can take a moment back while it waits: it still needs an end, and a reason
woken as (

    select
        latest_decisions.decision_id,
        latest_decisions.trigger_name,
        latest_decisions.user_key,
        latest_decisions.session_id,
        latest_decisions.moment_at,
        candidates.evidence,
        candidates.decision_id is null as is_retracted

    from latest_decisions
    left join candidates
        on latest_decisions.decision_id = candidates.decision_id

    where
        latest_decisions.outcome = 'deferred'
        and latest_decisions.deferred_until <= {{ as_of() }}

)

select * from never_decided
union all
select * from woken

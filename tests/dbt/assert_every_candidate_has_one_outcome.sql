-- law 6: a candidate without a decision, or with more than one, is a row that nobody accounts for
with

candidates as (

    select * from {{ ref('trigger_candidates') }}

),

decisions as (

    select
        decision_id,
        count(*) as outcome_count

    from {{ ref('current_decisions') }}
    group by decision_id

)

select
    candidates.decision_id,
    decisions.outcome_count

from candidates
left join decisions
    on candidates.decision_id = decisions.decision_id

where coalesce(decisions.outcome_count, 0) != 1

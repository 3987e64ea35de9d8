{{ config(materialized="view") }}

with

candidates as (

    select * from {{ ref('candidates_due') }}

),

scores as (

    select * from {{ ref('intent_scores') }}

),

-- the score as it stood at the moment, never as it became later
scores_until_moment as (

    select
        candidates.decision_id,
        scores.score,
        row_number() over (
            partition by candidates.decision_id
            order by scores.scored_at desc, scores.model_version desc, scores.score desc
        ) as recency

    from candidates
    inner join scores
        on
            candidates.session_id = scores.session_id
            and candidates.moment_at >= scores.scored_at

)

select
    decision_id,
    score

from scores_until_moment
where recency = 1

-- somebody with a high score pauses, and then goes back and forth: they are about to leave
with

signals as (

    select * from {{ ref('signals') }}
    where is_applicable

),

scores as (

    select * from {{ ref('intent_scores') }}

),

backtracks_after_pause as (

    select
        backtracks.signal_id,
        backtracks.user_key,
        backtracks.session_id,
        backtracks.detected_at,
        backtracks.evidence

    from signals as backtracks
    inner join signals as pauses
        on
            backtracks.session_id = pauses.session_id
            and {{ is_within(600, of="pauses.detected_at", happened_at="backtracks.detected_at") }}

    where backtracks.signal_name = 'rapid_backtrack' and pauses.signal_name = 'session_pause'
    group by
        backtracks.signal_id,
        backtracks.user_key,
        backtracks.session_id,
        backtracks.detected_at,
        backtracks.evidence

),

-- the score as it stood at the moment
scored as (

    select
        backtracks_after_pause.*,
        scores.score,
        row_number() over (
            partition by backtracks_after_pause.signal_id
            order by scores.scored_at desc, scores.model_version desc, scores.score desc
        ) as recency

    from backtracks_after_pause
    inner join scores
        on
            backtracks_after_pause.session_id = scores.session_id
            and backtracks_after_pause.detected_at >= scores.scored_at

)

select
    user_key,
    session_id,
    detected_at as moment_at,
    evidence

from scored
where recency = 1 and score >= 0.8

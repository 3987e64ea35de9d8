{{ config(materialized='incremental', instant='scored_at') }}

-- what was known of each session at every instant at which one of its signals became true
with

instants as (

    select distinct
        session_id,
        detected_at as scored_at

    from {{ ref('signals') }}
    where {{ session_changed('detected_at') }}

),

progress as (

    select * from {{ ref('int_session_progress') }}
    where {{ event_changed() }}

),

-- the latest event at or before the instant says what was known then
latest as (

    select
        instants.session_id,
        instants.scored_at,
        max(progress.event_count) as event_count

    from instants
    inner join progress
        on
            instants.session_id = progress.session_id
            and instants.scored_at >= progress.event_at
    group by instants.session_id, instants.scored_at

)

select
    latest.session_id,
    latest.scored_at,
    progress.actor_id,
    progress.user_key,
    progress.deepest_seen_pct,
    progress.longest_page_ratio,
    progress.longest_gap_seconds,
    progress.last_interaction_at,
    progress.secondary_click_count,
    {{ elapsed_seconds('progress.last_interaction_at', 'latest.scored_at') }}
        as open_gap_seconds,
    progress.keyboard_count > 0 and progress.pointer_count = 0 as is_keyboard_only

from latest
inner join progress
    on
        latest.session_id = progress.session_id
        and latest.event_count = progress.event_count
-- what becomes true days later, a set-up left alone say, is no moment of the session any more
where
    {{ elapsed_seconds('progress.event_at', 'latest.scored_at') }}
    <= {{ var('longest_timer_seconds') }}
-- by time, so that a later run can skip most of history
order by latest.scored_at

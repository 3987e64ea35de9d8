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

-- a silence lasts while the page is in sight: a hidden tab is absence
silences as (

    select
        instants.session_id,
        instants.scored_at,
        max({{ elapsed_seconds(
            'silences.began_at',
            'least(coalesce(silences.ended_at, instants.scored_at), instants.scored_at)'
        ) }}) as longest_silence_seconds

    from instants
    inner join {{ ref('int_silences') }} as silences
        on
            instants.session_id = silences.session_id
            and instants.scored_at >= silences.began_at
    where {{ session_changed('silences.began_at', 'silences.session_id') }}
    group by instants.session_id, instants.scored_at

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
    silences.longest_silence_seconds,
    progress.secondary_click_count,
    progress.keyboard_count > 0 and progress.pointer_count = 0 as is_keyboard_only

from latest
inner join progress
    on
        latest.session_id = progress.session_id
        and latest.event_count = progress.event_count
left join silences
    on
        latest.session_id = silences.session_id
        and latest.scored_at = silences.scored_at
-- what becomes true days later, a set-up left alone say, is no moment of the session any more
where
    {{ elapsed_seconds('progress.event_at', 'latest.scored_at') }}
    <= {{ var('longest_timer_seconds') }}
-- by time, so that a later run can skip most of history
order by latest.scored_at

{{ config(materialized='incremental', instant='began_at') }}

-- the silences after interactions: who fell silent, when, and what ended it, if anything did
with

session_events as (

    select * from {{ ref('session_events') }}
    where {{ event_changed() }}

),

progress as (

    select * from {{ ref('int_session_progress') }}
    where {{ event_changed() }}

),

-- heartbeats show that the page is still there; they do not end a silence. An event of unknown
-- meaning may be a person's doing, so it ends one, but it does not begin one
breaking_events as (

    select
        session_id,
        actor_id,
        user_key,
        is_known,
        event_id,
        event_at,
        page_url,
        page_view_id,
        is_interaction,
        lead(event_at) over (
            partition by session_id
            order by
                event_at,
                -- of one instant: what shows the page goes first, what hides it comes after what
                -- was done on it, and the next page comes last
                case event_name
                    when 'page_visible' then 0
                    when 'page_hidden' then 2
                    when 'page_leave' then 2
                    when 'page_view' then 3
                    else 1
                end,
                event_id
        ) as ended_at

    from session_events
    where is_interaction or category in ('visibility', 'unknown')

)

select
    breaking_events.session_id,
    breaking_events.actor_id,
    breaking_events.user_key,
    breaking_events.is_known,
    breaking_events.event_id,
    breaking_events.event_at as began_at,
    breaking_events.ended_at,
    breaking_events.page_url,
    breaking_events.page_view_id,
    progress.keyboard_count > 0 and progress.pointer_count = 0 as is_keyboard_only

from breaking_events
inner join progress
    on
        breaking_events.session_id = progress.session_id
        and breaking_events.event_id = progress.event_id
where breaking_events.is_interaction and not progress.is_media_playing

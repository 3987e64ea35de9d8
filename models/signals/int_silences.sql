{{ config(materialized='incremental', instant='began_at') }}

-- the silences after interactions: who fell silent, when, and what ended it, if anything did. The
-- limit of a session neither ends a silence nor stops a video
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
        *,
        -- of one instant: what shows the page goes first, what hides it comes after what was done
        -- on it, and the next page comes last
        case event_name
            when 'page_visible' then 0
            when 'page_hidden' then 2
            when 'page_leave' then 2
            when 'page_view' then 3
            else 1
        end as place,
        case event_name when 'video_started' then 1 when 'video_stopped' then -1 else 0 end
            as media_change

    from session_events
    where is_interaction or category in ('visibility', 'unknown')

),

media_events as (

    select
        *,
        sum(media_change) over (
            partition by island_id order by event_at, place, event_id
            rows between unbounded preceding and current row
        ) as balance

    from breaking_events
    where media_change != 0

),

-- of a video that stops, its start may never have been told: whatever starts later plays all the
-- same. That is so whenever more has stopped, in all, than ever before
counted_media as (

    select
        event_id,
        case
            when balance < 0 and balance < coalesce(min(balance) over earlier, 0) then 0
            else media_change
        end as media_change

    from media_events
    window earlier as (
        partition by island_id order by event_at, place, event_id
        rows between unbounded preceding and 1 preceding
    )

),

followed as (

    select
        breaking_events.*,
        lead(breaking_events.event_at) over timeline as ended_at,
        -- whether a heartbeat of a later session may still vouch for it
        coalesce(
            lead(breaking_events.session_id) over timeline != breaking_events.session_id, true
        ) as is_last_of_session,
        coalesce(
            sum(counted_media.media_change) over (
                partition by breaking_events.island_id
                order by breaking_events.event_at, breaking_events.place, breaking_events.event_id
                rows between unbounded preceding and current row
            ),
            0
        ) as playing_count

    from breaking_events
    left join counted_media on breaking_events.event_id = counted_media.event_id
    window timeline as (
        partition by breaking_events.island_id
        order by breaking_events.event_at, breaking_events.place, breaking_events.event_id
    )

)

select
    followed.session_id,
    followed.island_id,
    followed.actor_id,
    followed.user_key,
    followed.is_known,
    followed.event_id,
    followed.event_at as began_at,
    followed.ended_at,
    followed.page_url,
    followed.page_view_id,
    followed.is_last_of_session,
    progress.keyboard_count > 0 and progress.pointer_count = 0 as is_keyboard_only

from followed
inner join progress
    on
        followed.session_id = progress.session_id
        and followed.event_id = progress.event_id
where followed.is_interaction and followed.playing_count = 0

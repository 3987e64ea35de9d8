{{ config(materialized='incremental', instant='viewed_at') }}

with

session_events as (

    select * from {{ ref('session_events') }}
    where {{ event_changed() }} and page_view_id is not null

),

followed as (

    select
        *,
        lead(event_at) over (
            partition by session_id, page_view_id order by event_at, event_id
        ) as next_event_at

    from session_events

),

-- an interaction or a heartbeat vouches for attention until the next event, though not for long
credited as (

    select
        *,
        case
            when next_event_at is not null and (is_interaction or category = 'heartbeat')
                then least(
                    {{ epoch_ms('next_event_at') }} - {{ epoch_ms('event_at') }},
                    {{ var('attention_seconds') * 1000 }}
                )
            else 0
        end as credited_ms

    from followed

)

select
    page_view_id,
    session_id,
    actor_id,
    -- something done on the page before, at the instant of this one, does not name it
    coalesce(min(case when event_name = 'page_view' then page_url end), min(page_url)) as page_url,
    min(event_at) as viewed_at,
    cast(sum(credited_ms) as bigint) / 1000.0 as engaged_seconds,
    max(seen_pct) as scroll_depth_pct

from credited
group by page_view_id, session_id, actor_id
-- by time, so that a later run can skip most of history
order by viewed_at

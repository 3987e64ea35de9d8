{{ config(materialized='incremental', instant='viewed_at') }}

-- from one page view of a session to the next: here belongs an event that names no page view
with

spans as (

    select * from {{ ref('int_session_spans') }}
    where is_current and {{ session_changed('started_at') }}

),

page_views as (

    select
        actor_id,
        event_id,
        event_at,
        coalesce(
            {{ json_text('properties', 'page_view_id') }},
            {{ hash_id(["'page_view'", 'event_id']) }}
        ) as page_view_id

    from {{ ref('int_events_checked') }}
    where
        rejection_reason is null
        and event_name = 'page_view'
        and {{ recent_enough('event_at') }}

),

-- trackers repeat the page_view of a page that is already open: that neither opens nor leaves it
openings as (

    select
        spans.session_id,
        page_views.page_view_id,
        page_views.event_at,
        page_views.event_id,
        row_number() over (
            partition by spans.session_id, page_views.page_view_id
            order by page_views.event_at, page_views.event_id
        ) as opening_number

    from page_views
    inner join spans
        on
            page_views.actor_id = spans.actor_id
            and page_views.event_at between spans.started_at and spans.ended_at

)

select
    session_id,
    page_view_id,
    event_at as viewed_at,
    lead(event_at) over timeline as next_viewed_at,
    lead(event_id) over timeline as next_event_id

from openings
where opening_number = 1
window timeline as (partition by session_id order by event_at, event_id)
-- by time, so that a later run can skip most of history
order by viewed_at

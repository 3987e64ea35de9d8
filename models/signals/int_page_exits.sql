{{ config(materialized='incremental', instant='left_at') }}

-- when each page view was left, and by which event: the page said so, or the next page came. The
-- limit of a session leaves no page: that happens in a later session then
with

leave_events as (

    select
        session_id,
        island_id,
        page_view_id,
        event_id,
        event_at,
        row_number() over (
            partition by island_id, page_view_id order by event_at, event_id
        ) as leave_number

    from {{ ref('session_events') }}
    where {{ event_changed() }} and event_name = 'page_leave'

),

page_view_spans as (

    select * from {{ ref('int_page_view_spans') }}
    where {{ session_changed('viewed_at') }}

),

exits as (

    select
        page_view_spans.session_id,
        page_view_spans.island_id,
        page_view_spans.page_view_id,
        coalesce(
            leave_events.session_id = page_view_spans.session_id
            and coalesce(leave_events.event_at <= page_view_spans.next_viewed_at, true),
            false
        ) as is_said,
        leave_events.event_at as said_at,
        leave_events.event_id as said_by,
        page_view_spans.next_viewed_at,
        page_view_spans.next_event_id

    from page_view_spans
    left join leave_events
        on
            page_view_spans.island_id = leave_events.island_id
            and page_view_spans.page_view_id = leave_events.page_view_id
            and leave_events.leave_number = 1
    where
        not page_view_spans.is_carried
        or leave_events.event_at >= page_view_spans.viewed_at
        or leave_events.event_at is null

)

select
    session_id,
    island_id,
    page_view_id,
    case when is_said then said_at else next_viewed_at end as left_at,
    case when is_said then said_by else next_event_id end as left_by_event_id

from exits
where is_said or next_viewed_at is not null
-- by time, so that a later run can skip most of history
order by left_at

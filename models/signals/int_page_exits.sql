{{ config(materialized='incremental', instant='left_at') }}

-- when each page view was left, and by which event: the page said so, or the next page came
with

leave_events as (

    select
        session_id,
        page_view_id,
        event_id,
        event_at,
        row_number() over (
            partition by session_id, page_view_id order by event_at, event_id
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
        page_view_spans.page_view_id,
        page_view_spans.viewed_at,
        coalesce(leave_events.event_at <= page_view_spans.next_viewed_at, true)
        and leave_events.event_at is not null as is_said,
        leave_events.event_at as said_at,
        leave_events.event_id as said_by,
        page_view_spans.next_viewed_at,
        page_view_spans.next_event_id

    from page_view_spans
    left join leave_events
        on
            page_view_spans.session_id = leave_events.session_id
            and page_view_spans.page_view_id = leave_events.page_view_id
            and leave_events.leave_number = 1

)

select
    session_id,
    page_view_id,
    viewed_at,
    case when is_said then said_at else next_viewed_at end as left_at,
    case when is_said then said_by else next_event_id end as left_by_event_id

from exits
where is_said or next_viewed_at is not null
-- by time, so that a later run can skip most of history
order by left_at

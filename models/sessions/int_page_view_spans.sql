{{ config(materialized='incremental', instant='viewed_at') }}

-- from one page view of a session to the next: here belongs an event that names no page view. A
-- page that is open when a session reaches its limit is open in the next one too
with

spans as (

    select * from {{ ref('int_session_spans') }}
    where is_current and {{ session_changed('started_at') }}

),

accepted_events as (

    {{ events_of_changed_sessions() }}

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

    from accepted_events
    where event_name = 'page_view'

),

-- trackers repeat the page_view of a page that is already open: that neither opens nor leaves it
seen as (

    select
        spans.session_id,
        spans.island_id,
        page_views.page_view_id,
        page_views.event_at,
        page_views.event_id,
        row_number() over (
            partition by spans.island_id, page_views.page_view_id
            order by page_views.event_at, page_views.event_id
        ) as opening_number

    from page_views
    inner join spans
        on
            page_views.actor_id = spans.actor_id
            and page_views.event_at between spans.started_at and spans.ended_at

),

openings as (

    select * from seen
    where opening_number = 1

),

last_of_sessions as (

    select
        *,
        row_number() over (
            partition by session_id order by event_at desc, event_id desc
        ) as place_from_end

    from openings
    where
        island_id in (
            select spans.island_id from spans
            where spans.session_id != spans.island_id
        )

),

carried as (

    select
        spans.session_id,
        spans.island_id,
        spans.started_at,
        last_of_sessions.page_view_id,
        row_number() over (
            partition by spans.session_id
            order by last_of_sessions.event_at desc, last_of_sessions.event_id desc
        ) as place_from_end

    from spans
    inner join last_of_sessions
        on
            spans.island_id = last_of_sessions.island_id
            and spans.started_at > last_of_sessions.event_at
    where last_of_sessions.place_from_end = 1

),

shown as (

    select
        session_id,
        island_id,
        page_view_id,
        false as is_carried,
        event_at,
        event_id
    from openings

    union all

    select
        session_id,
        island_id,
        page_view_id,
        true as is_carried,
        started_at as event_at,
        cast(null as {{ dbt.type_string() }}) as event_id
    from carried
    where place_from_end = 1

)

select
    session_id,
    island_id,
    page_view_id,
    is_carried,
    event_at as viewed_at,
    lead(event_at) over timeline as next_viewed_at,
    lead(event_id) over timeline as next_event_id

from shown
window timeline as (partition by session_id order by event_at, not is_carried, event_id)
-- by time, so that a later run can skip most of history
order by viewed_at

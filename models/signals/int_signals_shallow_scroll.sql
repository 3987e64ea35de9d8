{{ config(materialized='incremental', instant='detected_at') }}

-- a page was left before much of it was seen
with

page_exits as (

    select * from {{ ref('int_page_exits') }}
    where {{ session_changed('left_at') }}

),

session_events as (

    select * from {{ ref('session_events') }}
    where {{ event_changed() }}

),

progress as (

    select * from {{ ref('int_session_progress') }}
    where {{ event_changed() }}

),

user_segments as (

    select * from {{ ref('user_segments') }}

),

thresholds as (

    select * from {{ ref('int_effective_thresholds') }}
    where signal_name = 'shallow_scroll'

),

-- what was seen by the time the page was left; what a tracker sends later is too late to matter
pages_left as (

    select
        page_exits.session_id,
        session_events.actor_id,
        page_exits.page_view_id,
        page_exits.left_at,
        page_exits.left_by_event_id,
        coalesce(
            min(case when session_events.event_name = 'page_view' then session_events.page_url end),
            min(session_events.page_url)
        ) as page_url,
        max(session_events.seen_pct) as seen_pct,
        max(session_events.page_length_ratio) as page_length_ratio

    from page_exits
    inner join session_events
        on
            page_exits.island_id = session_events.island_id
            and page_exits.page_view_id = session_events.page_view_id
            and page_exits.left_at >= session_events.event_at
    group by
        page_exits.session_id,
        session_events.actor_id,
        page_exits.page_view_id,
        page_exits.left_at,
        page_exits.left_by_event_id

),

judged as (

    select
        pages_left.*,
        progress.user_key,
        thresholds.threshold,
        thresholds.escalation,
        thresholds.version,
        case
            when pages_left.seen_pct is null then 'no_scroll_instrumentation'
            when pages_left.page_length_ratio <= {{ var('short_page_ratio') }} then 'short_page'
            when progress.keyboard_count > 0 and progress.pointer_count = 0 then 'keyboard_only'
        end as not_applicable_reason

    from pages_left
    inner join progress
        on
            pages_left.session_id = progress.session_id
            and pages_left.left_by_event_id = progress.event_id
    {{ join_threshold('progress', at='pages_left.left_at') }} -- noqa: PRS

)

select
    session_id,
    actor_id,
    user_key,
    'shallow_scroll' as signal_name,
    left_at as detected_at,
    case when not_applicable_reason is null then seen_pct end as value,
    case
        when not_applicable_reason is null and seen_pct < escalation then escalation
        else threshold
    end as threshold,
    version as threshold_version,
    not_applicable_reason is null and coalesce(seen_pct < escalation, false) as is_escalated,
    not_applicable_reason is null as is_applicable,
    not_applicable_reason,
    page_url,
    page_view_id || '@' || left_by_event_id as subject_id,
    {{ json_object({'page_view_id': 'page_view_id'}) }} as evidence

from judged
where
    left_at <= {{ as_of() }}
    and (not_applicable_reason is not null or seen_pct < threshold)
-- by time, so that a later run can skip most of history
order by detected_at

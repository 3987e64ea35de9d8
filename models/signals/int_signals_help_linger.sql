{{ config(materialized='incremental', instant='detected_at') }}

-- true some seconds after a help tip came into view, if nobody scrolled, closed it or left, be it
-- beyond the limit of the session
with

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
    where signal_name = 'help_linger'

),

-- the same tip shown anew starts anew
breaking_events as (

    select
        *,
        {{ json_text('properties', 'tip_id') }} as tip_id,
        lead(event_at) over (partition by island_id order by event_at, event_id) as ended_at

    from session_events
    where
        category in ('navigation', 'scroll', 'visibility')
        or event_name in ('help_tip_shown', 'help_tip_dismissed')

),

lingers as (

    select
        breaking_events.*,
        thresholds.threshold,
        thresholds.version,
        {{ add_seconds('breaking_events.event_at', 'thresholds.threshold') }} as due_at,
        case
            when {{ keyboard_only('progress') }} then 'keyboard_only'
            when progress.longest_page_ratio is null and progress.deepest_seen_pct is null
                then 'no_scroll_instrumentation'
        end as not_applicable_reason

    from breaking_events
    inner join progress
        on
            breaking_events.session_id = progress.session_id
            and breaking_events.event_id = progress.event_id
    {{ join_threshold('breaking_events', at='breaking_events.event_at') }} -- noqa: PRS
    where breaking_events.event_name = 'help_tip_shown'

)

select
    session_id,
    actor_id,
    user_key,
    'help_linger' as signal_name,
    due_at as detected_at,
    case when not_applicable_reason is null then threshold end as value,
    threshold,
    version as threshold_version,
    false as is_escalated,
    not_applicable_reason is null as is_applicable,
    not_applicable_reason,
    page_url,
    event_id as subject_id,
    {{ json_object({'tip_id': 'tip_id', 'last_event_id': 'event_id'}) }} as evidence

from lingers
where
    due_at <= {{ as_of() }}
    and (ended_at >= due_at or ended_at is null)

{{ config(materialized='incremental', instant='detected_at') }}

-- true some seconds after a click to which the page did not answer
with

session_events as (

    select * from {{ ref('session_events') }}
    where {{ event_changed() }}

),

clicks as (

    select
        *,
        lag(event_at) over (
            partition by session_id, coalesce(element_id, event_id) order by event_at, event_id
        ) as previous_at

    from {{ ref('int_clicks_described') }}
    where
        {{ session_changed('event_at') }}
        and not is_dead_click_ignored and (is_keyboard_only or not is_assistive)

),

user_segments as (

    select * from {{ ref('user_segments') }}

),

thresholds as (

    select * from {{ ref('int_effective_thresholds') }}
    where signal_name = 'dead_click'

),

-- whatever is not a person's hand is the page's answer; what scrolls or selects at once is one,
-- too, be it beyond the limit of the session
reactions as (

    select
        session_id,
        island_id,
        event_id,
        event_at,
        event_name = 'click' as is_click,
        event_name = 'dom_changed' as is_dom_change,
        event_name in ('scroll', 'text_selected') as is_gesture

    from session_events
    where
        event_name in ('click', 'scroll', 'text_selected')
        or (
            category not in ('click', 'scroll', 'pointer', 'keyboard', 'heartbeat')
            and event_name != 'client_error'
        )

),

followed as (

    select
        session_id,
        event_id,
        is_click,
        min(case when not is_click and not is_gesture then event_at end) over later as answered_at,
        min(case when is_gesture then event_at end) over later as gesture_at,
        min(case when is_dom_change then event_at end) over (
            partition by island_id
        ) as first_dom_change_at

    from reactions
    window later as (
        partition by island_id order by event_at desc, is_click asc, event_id desc
        rows between unbounded preceding and current row
    )

),

judged as (

    select
        clicks.*,
        thresholds.threshold,
        thresholds.version,
        {{ add_seconds('clicks.event_at', 'thresholds.threshold') }} as due_at,
        followed.answered_at,
        followed.gesture_at,
        followed.first_dom_change_at

    from clicks
    inner join followed
        on
            clicks.session_id = followed.session_id
            and clicks.event_id = followed.event_id
    {{ join_threshold('clicks', at='clicks.event_at') }} -- noqa: PRS
    where
        -- a click in a burst was judged with the first of them
        clicks.previous_at is null
        or {{ elapsed_seconds('clicks.previous_at', 'clicks.event_at') }}
        >= {{ var('burst_seconds') }}

),

unanswered as (

    select
        *,
        case
            when is_keyboard_only then 'keyboard_only'
            when first_dom_change_at is null or first_dom_change_at > due_at
                then 'no_page_activity_instrumentation'
        end as not_applicable_reason

    from judged
    where
        (answered_at >= due_at or answered_at is null)
        and (
            {{ elapsed_seconds('event_at', 'gesture_at') }} >= {{ var('reflex_seconds') }}
            or gesture_at is null
        )

),

-- that a session's clicks cannot be judged is said once
numbered as (

    select
        *,
        row_number() over (
            partition by session_id, not_applicable_reason order by event_at, event_id
        ) as occurrence_number

    from unanswered

)

select
    session_id,
    actor_id,
    user_key,
    'dead_click' as signal_name,
    due_at as detected_at,
    case when not_applicable_reason is null then threshold end as value,
    threshold,
    version as threshold_version,
    false as is_escalated,
    not_applicable_reason is null as is_applicable,
    not_applicable_reason,
    page_url,
    event_id as subject_id,
    {{ json_object({'last_event_id': 'event_id', 'element_id': 'element_id'}) }} as evidence

from numbered
where
    due_at <= {{ as_of() }}
    and (not_applicable_reason is null or occurrence_number = 1)
-- by time, so that a later run can skip most of history
order by detected_at

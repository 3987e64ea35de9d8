{{ config(materialized='incremental', instant='detected_at') }}

-- the pointer rested on a marked element for long, and did not click on it, be it before the limit
-- of the session
with

hovers as (

    select
        *,
        {{ json_text('properties', 'element_id') }} as element_id,
        {{ json_number('properties', 'duration_ms') }} / 1000.0 as dwell_seconds,
        {{ is_touch('session_events') }} as is_touch

    from {{ ref('session_events') }} as session_events
    where
        {{ event_changed('session_events') }}
        and session_events.event_name = 'hover'

),

clicks as (

    select * from {{ ref('int_clicks_described') }}
    where {{ session_changed('event_at') }}

),

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
    where signal_name = 'hover_dwell'

),

-- a hover is sent when it ends: what was clicked while it lasted is known by then
clicked as (

    select distinct
        hovers.session_id,
        hovers.event_id

    from hovers
    inner join clicks
        on
            hovers.island_id = clicks.island_id
            and hovers.element_id = clicks.element_id
            and hovers.event_at >= clicks.event_at
            and hovers.dwell_seconds >= {{ elapsed_seconds('clicks.event_at', 'hovers.event_at') }}

),

first_hovers as (

    select
        session_id,
        min(event_at) as hovered_at

    from hovers
    group by session_id

),

-- the first page that was left in a session, and whether anything had told of a hover by then
first_exits as (

    select
        session_events.*,
        {{ is_touch('session_events') }} as is_touch,
        {{ keyboard_only('progress') }} as is_keyboard_only,
        progress.pointer_move_count,
        row_number() over (
            partition by session_events.session_id
            order by session_events.event_at, session_events.event_id
        ) as exit_number

    from page_exits
    inner join session_events
        on
            page_exits.session_id = session_events.session_id
            and page_exits.left_by_event_id = session_events.event_id
    inner join progress
        on
            page_exits.session_id = progress.session_id
            and page_exits.left_by_event_id = progress.event_id

),

unobserved as (

    select first_exits.*

    from first_exits
    left join first_hovers on first_exits.session_id = first_hovers.session_id
    where
        first_exits.exit_number = 1
        and (first_hovers.hovered_at > first_exits.event_at or first_hovers.hovered_at is null)
        and (first_exits.pointer_move_count = 0 or first_exits.is_touch)

),

occurrences as (

    select
        hovers.session_id,
        hovers.actor_id,
        hovers.user_key,
        hovers.is_known,
        hovers.event_id,
        hovers.event_at,
        hovers.page_url,
        hovers.element_id,
        hovers.dwell_seconds,
        case when hovers.is_touch then 'touch_only' end as not_applicable_reason

    from hovers
    left join clicked
        on
            hovers.session_id = clicked.session_id
            and hovers.event_id = clicked.event_id
    where clicked.event_id is null

    union all

    select
        session_id,
        actor_id,
        user_key,
        is_known,
        event_id,
        event_at,
        page_url,
        null as element_id,
        null as dwell_seconds,
        case
            when is_keyboard_only then 'keyboard_only'
            when is_touch then 'touch_only'
            else 'no_pointer_instrumentation'
        end as not_applicable_reason

    from unobserved

)

select
    occurrences.session_id,
    occurrences.actor_id,
    occurrences.user_key,
    'hover_dwell' as signal_name,
    occurrences.event_at as detected_at,
    case when occurrences.not_applicable_reason is null then occurrences.dwell_seconds end
        as value,
    thresholds.threshold,
    thresholds.version as threshold_version,
    false as is_escalated,
    occurrences.not_applicable_reason is null as is_applicable,
    occurrences.not_applicable_reason,
    occurrences.page_url,
    occurrences.event_id as subject_id,
    {{ json_object({
        'last_event_id': 'occurrences.event_id', 'element_id': 'occurrences.element_id',
    }) }} as evidence

from occurrences
{{ join_threshold('occurrences', at='occurrences.event_at') }} -- noqa: PRS
where
    occurrences.event_at <= {{ as_of() }}
    and (
        occurrences.dwell_seconds >= thresholds.threshold
        or occurrences.dwell_seconds is null
    )
-- by time, so that a later run can skip most of history
order by detected_at

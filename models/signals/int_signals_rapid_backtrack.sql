{{ config(materialized='incremental', instant='detected_at') }}

-- back from a page almost at once, without having done anything there, and not for the first time
with

-- the way back itself takes a pointer and keys: they are no interaction with the page
footsteps as (

    select
        *,
        event_name = 'page_view' as is_page_view,
        sum(
            case when category not in ('navigation', 'pointer', 'keyboard') then 1 else 0 end
        ) over (
            partition by session_id order by event_at, event_id
            rows between unbounded preceding and current row
        ) as deed_count,
        sum(case when category = 'keyboard' then 1 else 0 end) over (
            partition by session_id order by event_at, event_id
            rows between unbounded preceding and current row
        ) as key_count

    from {{ ref('session_events') }}
    where
        {{ event_changed() }}
        and (event_name = 'page_view' or is_interaction)

),

-- trackers repeat the page_view of a page that is already open: that is no way back
openings as (

    select
        *,
        row_number() over (
            partition by session_id, page_view_id order by event_at, event_id
        ) as opening_number

    from footsteps
    where is_page_view

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
    where signal_name = 'rapid_backtrack'

),

pages as (

    select
        *,
        lag(page_url) over timeline as left_page_url,
        lag(page_url, 2) over timeline as page_before_url,
        lag(event_at) over timeline as left_page_viewed_at,
        deed_count - lag(deed_count) over timeline as left_page_deed_count,
        key_count - lag(key_count) over timeline as left_page_key_count

    from openings
    where opening_number = 1
    window timeline as (partition by session_id order by event_at, event_id)

),

returns as (

    select
        pages.*,
        {{ elapsed_seconds('pages.left_page_viewed_at', 'pages.event_at') }} as dwell_seconds,
        {{ keyboard_only('progress') }} as is_keyboard_only

    from pages
    inner join progress
        on
            pages.session_id = progress.session_id
            and pages.event_id = progress.event_id
    where
        pages.page_url = pages.page_before_url
        and pages.page_url != pages.left_page_url
        and pages.left_page_deed_count = 0

),

-- with a pointer at hand keys are for the page, with keys alone they may be for the way back
rapid as (

    select
        returns.*,
        thresholds.threshold,
        thresholds.minimum_count,
        thresholds.version,
        row_number() over (
            partition by returns.session_id order by returns.event_at, returns.event_id
        ) as return_number

    from returns
    {{ join_threshold('returns', at='returns.event_at') }} -- noqa: PRS
    where
        returns.dwell_seconds < thresholds.threshold
        and (returns.is_keyboard_only or returns.left_page_key_count = 0)

)

select
    session_id,
    actor_id,
    user_key,
    'rapid_backtrack' as signal_name,
    event_at as detected_at,
    case when not is_keyboard_only then dwell_seconds end as value,
    threshold,
    version as threshold_version,
    false as is_escalated,
    not is_keyboard_only as is_applicable,
    case when is_keyboard_only then 'keyboard_only' end as not_applicable_reason,
    page_url,
    event_id as subject_id,
    {{ json_object({
        'last_event_id': 'event_id', 'left_page_url': 'left_page_url',
        'return_count': 'return_number',
    }) }} as evidence

from rapid
where
    return_number >= coalesce(minimum_count, 1)
    and event_at <= {{ as_of() }}

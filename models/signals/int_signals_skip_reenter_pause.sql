{{ config(materialized='incremental', instant='detected_at') }}

-- passed over the call to action of a page, came back to the page, and paused there
with

cta_events as (

    select
        *,
        event_name = 'page_view' as is_page_view,
        case when category = 'cta' then 1 else 0 end as is_cta,
        case when event_name = 'cta_impression' then 1 else 0 end as is_impression,
        case when event_name = 'cta_skipped' then 1 else 0 end as is_skip,
        case when event_name in ('cta_click', 'cta_click_failed') then 1 else 0 end as is_click

    from {{ ref('session_events') }}
    where
        {{ event_changed() }}
        and (event_name = 'page_view' or category = 'cta')

),

silences as (

    select * from {{ ref('int_silences') }}
    where {{ session_changed('began_at') }}

),

user_segments as (

    select * from {{ ref('user_segments') }}

),

thresholds as (

    select * from {{ ref('int_effective_thresholds') }}
    where signal_name = 'skip_reenter_pause'

),

counted as (

    select
        *,
        sum(is_impression) over on_page as impression_count,
        sum(is_skip) over on_page as skip_count,
        sum(is_click) over on_page as click_count,
        sum(is_cta) over (
            partition by session_id order by event_at, event_id
            rows between unbounded preceding and current row
        ) as session_cta_count

    from cta_events
    window on_page as (
        partition by session_id, page_url order by event_at, event_id
        rows between unbounded preceding and current row
    )

),

visits as (

    select
        *,
        impression_count - lag(impression_count) over timeline as previous_impression_count,
        skip_count - lag(skip_count) over timeline as previous_skip_count,
        click_count - lag(click_count) over timeline as previous_click_count

    from counted
    where is_page_view
    window timeline as (partition by session_id, page_url order by event_at, event_id)

),

-- who says "not now", and who saw the call to action and left without a click
reentries as (

    select
        *,
        case
            when session_cta_count = 0 then 'no_cta_instrumentation'
        end as unobserved_reason

    from visits
    where
        previous_skip_count > 0
        or (previous_impression_count > 0 and previous_click_count = 0)
        or (previous_skip_count is not null and session_cta_count = 0)

),

pauses as (

    select
        silences.*,
        thresholds.threshold,
        thresholds.version,
        {{ add_seconds('silences.began_at', 'thresholds.threshold') }} as paused_at,
        reentries.event_id as reentry_event_id,
        case
            when silences.is_keyboard_only then 'keyboard_only'
            else reentries.unobserved_reason
        end as not_applicable_reason,
        row_number() over (
            partition by reentries.session_id, reentries.event_id
            order by silences.began_at, silences.event_id
        ) as pause_number

    from reentries
    inner join silences
        on
            reentries.session_id = silences.session_id
            and reentries.page_view_id = silences.page_view_id
            and reentries.event_at <= silences.began_at
    {{ join_threshold('silences', at='silences.began_at') }} -- noqa: PRS
    where
        silences.ended_at is null
        or silences.ended_at >= {{ add_seconds('silences.began_at', 'thresholds.threshold') }}

)

select
    session_id,
    actor_id,
    user_key,
    'skip_reenter_pause' as signal_name,
    paused_at as detected_at,
    case when not_applicable_reason is null then threshold end as value,
    threshold,
    version as threshold_version,
    false as is_escalated,
    not_applicable_reason is null as is_applicable,
    not_applicable_reason,
    page_url,
    reentry_event_id as subject_id,
    {{ json_object({
        'last_event_id': 'event_id', 'reentry_event_id': 'reentry_event_id',
        'page_view_id': 'page_view_id',
    }) }} as evidence

from pauses
where pause_number = 1 and paused_at <= {{ as_of() }}

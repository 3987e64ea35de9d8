{{ config(materialized='incremental', instant='detected_at') }}

-- passed over the call to action of a page, came back to the page, and paused there
with

cta_events as (

    select
        *,
        event_name = 'page_view' as is_page_view,
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
        -- trackers repeat the page_view of a page that is already open: that is no way back
        row_number() over (
            partition by session_id, page_view_id, is_page_view order by event_at, event_id
        ) as opening_number

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
    where is_page_view and opening_number = 1
    window timeline as (partition by session_id, page_url order by event_at, event_id)

),

-- who says "not now", and who saw the call to action and left without a click
reentries as (

    select
        *,
        previous_skip_count > 0
        or (previous_impression_count > 0 and previous_click_count = 0) as is_passed_over

    from visits
    where previous_skip_count is not null

),

-- a tracker that had told of no call to action by then cannot tell that one was passed over
first_ctas as (

    select
        session_id,
        min(event_at) as told_at

    from cta_events
    where not is_page_view
    group by session_id

),

pauses as (

    select
        silences.*,
        thresholds.threshold,
        thresholds.version,
        {{ add_seconds('silences.began_at', 'thresholds.threshold') }} as paused_at,
        reentries.event_id as reentry_event_id,
        reentries.is_passed_over,
        first_ctas.told_at,
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
    left join first_ctas on reentries.session_id = first_ctas.session_id
    {{ join_threshold('silences', at='silences.began_at') }} -- noqa: PRS
    where
        silences.ended_at is null
        or silences.ended_at >= {{ add_seconds('silences.began_at', 'thresholds.threshold') }}

),

judged as (

    select
        *,
        case
            when is_keyboard_only then 'keyboard_only'
            when not is_passed_over then 'no_cta_instrumentation'
        end as not_applicable_reason

    from pauses
    where
        pause_number = 1
        and (is_passed_over or coalesce(told_at > paused_at, true))

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

from judged
where paused_at <= {{ as_of() }}

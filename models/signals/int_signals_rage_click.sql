{{ config(materialized='incremental', instant='detected_at') }}

-- clicks again and again on one spot: each near the one before, in place and in time
with

clicks as (

    select * from {{ ref('int_clicks_described') }}
    where {{ session_changed('event_at') }}

),

disturbances as (

    select * from {{ ref('session_events') }}
    where
        {{ event_changed() }}
        and event_name in ('scroll', 'text_selected')

),

user_segments as (

    select * from {{ ref('user_segments') }}

),

thresholds as (

    select * from {{ ref('int_effective_thresholds') }}
    where signal_name = 'rage_click'

),

timeline as (

    select
        session_id,
        event_id,
        event_at,
        true as is_click

    from clicks
    where
        not is_rage_click_ignored
        and not is_assistive
        and x_px is not null
        and y_px is not null

    union all

    select
        session_id,
        event_id,
        event_at,
        false as is_click

    from disturbances

),

-- a page that scrolls answers, and clicks that select text are no rage
disturbed as (

    select
        *,
        max(case when not is_click then event_at end) over (
            partition by session_id order by event_at, is_click, event_id
            rows between unbounded preceding and current row
        ) as disturbed_at

    from timeline

),

followed as (

    select
        clicks.*,
        disturbed.disturbed_at,
        lag(clicks.event_at) over timeline as previous_at,
        lag(clicks.x_px) over timeline as previous_x_px,
        lag(clicks.y_px) over timeline as previous_y_px,
        lag(clicks.viewport_scale) over timeline as previous_scale,
        lag(clicks.page_view_id) over timeline as previous_page_view_id

    from clicks
    inner join disturbed
        on
            clicks.session_id = disturbed.session_id
            and clicks.event_id = disturbed.event_id
            and disturbed.is_click
    window timeline as (
        partition by clicks.session_id order by clicks.event_at, clicks.event_id
    )

),

-- the hand moves on the screen, not on the page: what is zoomed in is measured as it is seen
chained as (

    select
        *,
        coalesce(
            {{ elapsed_seconds('previous_at', 'event_at') }} < {{ var('burst_seconds') }}
            and (abs(x_px - previous_x_px) + abs(y_px - previous_y_px)) * viewport_scale
            < {{ var('burst_distance_px') }}
            and viewport_scale = previous_scale
            and coalesce(page_view_id = previous_page_view_id, true)
            and coalesce(disturbed_at < previous_at, true),
            false
        ) as is_continued

    from followed

),

numbered as (

    select
        *,
        sum(case when is_continued then 0 else 1 end) over (
            partition by session_id order by event_at, event_id
            rows between unbounded preceding and current row
        ) as chain_number

    from chained

),

counted as (

    select
        *,
        row_number() over (
            partition by session_id, chain_number order by event_at, event_id
        ) as click_number

    from numbered

),

-- once for each session: from here on its clicks could not be judged
unobservable as (

    select
        *,
        row_number() over (
            partition by session_id, is_keyboard_only order by event_at, event_id
        ) as occurrence_number

    from clicks
    where
        not is_rage_click_ignored
        and (is_keyboard_only or (not is_assistive and (x_px is null or y_px is null)))

),

occurrences as (

    select
        session_id,
        actor_id,
        user_key,
        is_known,
        event_id,
        event_at,
        page_url,
        element_id,
        chain_number,
        click_number,
        cast(null as {{ dbt.type_string() }}) as not_applicable_reason

    from counted

    union all

    select
        session_id,
        actor_id,
        user_key,
        is_known,
        event_id,
        event_at,
        page_url,
        element_id,
        null as chain_number,
        cast(null as bigint) as click_number,
        case
            when is_keyboard_only then 'keyboard_only'
            else 'no_pointer_position'
        end as not_applicable_reason

    from unobservable
    where occurrence_number = 1

),

-- once for each chain, however the threshold changes in it: somebody may sign in halfway
reached as (

    select
        occurrences.*,
        thresholds.threshold,
        thresholds.version,
        row_number() over (
            partition by
                occurrences.session_id,
                occurrences.chain_number,
                occurrences.not_applicable_reason
            order by occurrences.event_at, occurrences.event_id
        ) as occurrence_number

    from occurrences
    {{ join_threshold('occurrences', at='occurrences.event_at') }} -- noqa: PRS
    where
        occurrences.click_number >= thresholds.threshold
        or occurrences.not_applicable_reason is not null

)

select
    session_id,
    actor_id,
    user_key,
    'rage_click' as signal_name,
    event_at as detected_at,
    cast(click_number as double) as value,
    threshold,
    version as threshold_version,
    false as is_escalated,
    not_applicable_reason is null as is_applicable,
    not_applicable_reason,
    page_url,
    event_id as subject_id,
    {{ json_object({'last_event_id': 'event_id', 'element_id': 'element_id'}) }} as evidence

from reached
where occurrence_number = 1 and event_at <= {{ as_of() }}

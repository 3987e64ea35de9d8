{{ config(materialized='incremental', instant='detected_at') }}

-- the key call to action failed again and again
with

cta_events as (

    select
        *,
        {{ json_text('properties', 'cta_id') }} as cta_id

    from {{ ref('session_events') }}
    where
        {{ event_changed() }}
        and event_name in ('cta_impression', 'cta_click', 'cta_click_failed')

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
    where signal_name = 'cta_failure'

),

-- a click that works ends the series of failures before it
counted as (

    select
        *,
        sum(case when event_name = 'cta_impression' then 1 else 0 end) over so_far
            as impression_count,
        sum(case when event_name = 'cta_click' then 1 else 0 end) over so_far as click_count,
        max(case when event_name = 'cta_click_failed' then event_at end) over earlier
            as previous_failure_at

    from cta_events
    window
        so_far as (
            partition by session_id, cta_id order by event_at, event_id
            rows between unbounded preceding and current row
        ),
        earlier as (
            partition by session_id, cta_id order by event_at, event_id
            rows between unbounded preceding and 1 preceding
        )

),

-- clicks in a burst are one attempt: who hammers a button has tried once
attempts as (

    select
        *,
        row_number() over (
            partition by session_id, cta_id, click_count order by event_at, event_id
        ) as attempt_number

    from counted
    where
        event_name = 'cta_click_failed'
        and (
            previous_failure_at is null
            or {{ elapsed_seconds('previous_failure_at', 'event_at') }}
            >= {{ var('burst_seconds') }}
        )

),

judged as (

    select
        attempts.*,
        thresholds.threshold,
        thresholds.escalation,
        thresholds.version,
        -- what share of those who see it click it says nothing of people with keys alone
        not coalesce({{ keyboard_only('progress') }}, false)
        and attempts.impression_count >= thresholds.minimum_count
        and 100 * {{ wilson_upper('attempts.click_count', 'attempts.impression_count') }}
        < thresholds.escalation as is_click_rate_low

    from attempts
    left join progress
        on
            attempts.session_id = progress.session_id
            and attempts.event_id = progress.event_id
    {{ join_threshold('attempts', at='attempts.event_at') }} -- noqa: PRS

),

-- once for each series, however the threshold changes in it: somebody may sign in halfway
reached as (

    select
        *,
        row_number() over (
            partition by session_id, cta_id, click_count order by event_at, event_id
        ) as occurrence_number

    from judged
    where attempt_number >= threshold

)

select
    session_id,
    actor_id,
    user_key,
    'cta_failure' as signal_name,
    event_at as detected_at,
    cast(attempt_number as double) as value,
    threshold,
    version as threshold_version,
    coalesce(is_click_rate_low, false) as is_escalated,
    true as is_applicable,
    cast(null as {{ dbt.type_string() }}) as not_applicable_reason,
    page_url,
    event_id as subject_id,
    {{ json_object({
        'cta_id': 'cta_id', 'last_event_id': 'event_id',
        'impression_count': 'impression_count', 'click_count': 'click_count',
    }) }} as evidence

from reached
where occurrence_number = 1 and event_at <= {{ as_of() }}

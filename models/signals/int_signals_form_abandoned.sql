{{ config(materialized='incremental', instant='detected_at') }}

-- a form was begun and the page left, or the time was up, before it was sent, be it beyond the
-- limit of the session
with

form_events as (

    select
        *,
        {{ json_text('properties', 'form_id') }} as form_id,
        event_name = 'form_submitted' as is_submitted

    from {{ ref('session_events') }}
    where
        {{ event_changed() }}
        and event_name in ('form_started', 'form_submitted')

),

page_exits as (

    select * from {{ ref('int_page_exits') }}
    where {{ session_changed('left_at') }}

),

user_segments as (

    select * from {{ ref('user_segments') }}

),

thresholds as (

    select * from {{ ref('int_effective_thresholds') }}
    where signal_name = 'form_abandoned'

),

followed as (

    select
        *,
        sum(case when is_submitted then 1 else 0 end) over (
            partition by island_id, form_id order by event_at, event_id
            rows between unbounded preceding and current row
        ) as submit_count,
        min(case when is_submitted then event_at end) over (
            partition by island_id, form_id order by event_at, event_id
            rows between 1 following and unbounded following
        ) as submitted_at

    from form_events

),

-- who touches the first field once more on the same page is still at the same attempt
attempts as (

    select
        *,
        row_number() over (
            partition by island_id, form_id, page_view_id, submit_count
            order by event_at, event_id
        ) as start_number

    from followed
    where not is_submitted

),

exits as (

    select
        attempts.event_id,
        min(page_exits.left_at) as left_at

    from attempts
    inner join page_exits
        on
            attempts.island_id = page_exits.island_id
            and attempts.page_view_id = page_exits.page_view_id
            and attempts.event_at <= page_exits.left_at
    group by attempts.event_id

),

timed as (

    select
        attempts.*,
        thresholds.threshold,
        thresholds.version,
        exits.left_at,
        {{ add_seconds('attempts.event_at', 'thresholds.threshold') }} as due_at

    from attempts
    left join exits on attempts.event_id = exits.event_id
    {{ join_threshold('attempts', at='attempts.event_at') }} -- noqa: PRS
    where attempts.start_number = 1

),

ended as (

    select
        *,
        case when left_at < due_at then left_at else due_at end as abandoned_at

    from timed

)

select
    session_id,
    actor_id,
    user_key,
    'form_abandoned' as signal_name,
    abandoned_at as detected_at,
    {{ elapsed_seconds('event_at', 'abandoned_at') }} as value,
    threshold,
    version as threshold_version,
    false as is_escalated,
    true as is_applicable,
    cast(null as {{ dbt.type_string() }}) as not_applicable_reason,
    page_url,
    event_id as subject_id,
    {{ json_object({'form_id': 'form_id', 'last_event_id': 'event_id'}) }} as evidence

from ended
where
    abandoned_at <= {{ as_of() }}
    -- sent at the very instant of leaving is sent, sent when the time is up is too late
    and (
        submitted_at is null
        or submitted_at > abandoned_at
        or (submitted_at = abandoned_at and abandoned_at = due_at)
    )

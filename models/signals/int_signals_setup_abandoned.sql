{{ config(materialized='incremental', incremental_strategy='replace_people') }}

-- a set-up was begun and not finished within its window, in this session or any other
with

setup_events as (

    select
        *,
        {{ json_text('properties', 'setup_id') }} as setup_id,
        event_name = 'setup_completed' as is_completed

    from {{ ref('int_lasting_events') }}
    where event_name in ('setup_started', 'setup_completed')

),

user_segments as (

    select * from {{ ref('user_segments') }}

),

thresholds as (

    select * from {{ ref('int_effective_thresholds') }}
    where signal_name = 'setup_abandoned'

),

judged as (

    select * from setup_events
    where {{ person_changed() }}

),

-- begun before signing in, or on another device: the browser's trace and the person's both count
traces as (

    select
        'actor|' || actor_id as trace_key,
        event_id,
        event_at,
        setup_id,
        is_completed
    from setup_events
    where actor_id in (select judged.actor_id from judged)

    union all

    select
        'user|' || user_key as trace_key,
        event_id,
        event_at,
        setup_id,
        is_completed
    from setup_events
    where user_key in (select judged.user_key from judged)

),

followed as (

    select
        event_id,
        event_at,
        is_completed,
        max(case when not is_completed then event_at end) over earlier as previous_started_at,
        max(case when is_completed then event_at end) over earlier as previous_completed_at,
        min(case when is_completed then event_at end) over later as completed_at

    from traces
    window
        earlier as (
            partition by trace_key, setup_id order by event_at, event_id
            rows between unbounded preceding and 1 preceding
        ),
        later as (
            partition by trace_key, setup_id order by event_at, event_id
            rows between 1 following and unbounded following
        )

),

starts as (

    select
        event_id,
        min(completed_at) as completed_at,
        max(
            case
                when previous_completed_at >= previous_started_at then null
                else previous_started_at
            end
        ) as resumed_from_at

    from followed
    where not is_completed
    group by event_id

),

timed as (

    select
        judged.*,
        starts.completed_at,
        starts.resumed_from_at,
        thresholds.threshold,
        thresholds.version,
        {{ add_seconds('judged.event_at', 'thresholds.threshold') }} as due_at

    from starts
    inner join judged on starts.event_id = judged.event_id
    {{ join_threshold('judged', at='judged.event_at') }} -- noqa: PRS

)

select
    session_id,
    actor_id,
    user_key,
    'setup_abandoned' as signal_name,
    due_at as detected_at,
    threshold as value,
    threshold,
    version as threshold_version,
    false as is_escalated,
    true as is_applicable,
    cast(null as {{ dbt.type_string() }}) as not_applicable_reason,
    page_url,
    event_id as subject_id,
    {{ json_object({'setup_id': 'setup_id', 'last_event_id': 'event_id'}) }} as evidence

from timed
where
    due_at <= {{ as_of() }}
    and (completed_at >= due_at or completed_at is null)
    -- who begins again within the window carries on with the same attempt
    and (
        resumed_from_at is null
        or {{ elapsed_seconds('resumed_from_at', 'event_at') }} >= threshold
    )

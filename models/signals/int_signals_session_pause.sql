{{ config(materialized='incremental', instant='detected_at') }}

-- true some seconds after the last interaction on a visible page, even if no other event comes
with

silences as (

    select * from {{ ref('int_silences') }}
    where {{ session_changed('began_at') }}

),

heartbeats as (

    select
        session_id,
        island_id,
        event_at

    from {{ ref('session_events') }}
    where {{ event_changed() }} and category = 'heartbeat'

),

user_segments as (

    select * from {{ ref('user_segments') }}

),

thresholds as (

    select * from {{ ref('int_effective_thresholds') }}
    where signal_name = 'session_pause'

),

pauses as (

    select
        silences.*,
        thresholds.threshold,
        thresholds.escalation,
        thresholds.version,
        {{ add_seconds('silences.began_at', 'thresholds.threshold') }} as paused_at,
        {{ add_seconds('silences.began_at', 'thresholds.escalation') }} as escalates_after

    from silences
    {{ join_threshold('silences', at='silences.began_at') }} -- noqa: PRS
    where
        silences.ended_at is null
        or silences.ended_at >= {{ add_seconds('silences.began_at', 'thresholds.threshold') }}

),

-- a longer pause needs proof that the page was still in sight: the first heartbeat after it, or the
-- event that ended it
proofs as (

    select
        pauses.event_id,
        heartbeats.event_at as heartbeat_at

    from pauses
    inner join heartbeats
        on
            pauses.session_id = heartbeats.session_id
            and pauses.escalates_after < heartbeats.event_at
            and (pauses.ended_at >= heartbeats.event_at or pauses.ended_at is null)

    union all

    -- the limit of the session may lie between
    select
        pauses.event_id,
        heartbeats.event_at as heartbeat_at

    from pauses
    inner join heartbeats
        on
            pauses.island_id = heartbeats.island_id
            and pauses.session_id != heartbeats.session_id
            and pauses.escalates_after < heartbeats.event_at
            and (pauses.ended_at >= heartbeats.event_at or pauses.ended_at is null)
    where pauses.is_last_of_session and heartbeats.session_id != heartbeats.island_id

),

escalations as (

    select
        event_id,
        min(heartbeat_at) as heartbeat_at

    from proofs
    group by event_id

),

occurrences as (

    select
        pauses.*,
        false as is_escalated,
        pauses.paused_at as detected_at

    from pauses

    union all

    select
        pauses.*,
        true as is_escalated,
        coalesce(escalations.heartbeat_at, pauses.ended_at) as detected_at

    from pauses
    left join escalations on pauses.event_id = escalations.event_id
    where
        escalations.heartbeat_at is not null
        or pauses.ended_at > pauses.escalates_after

)

select
    session_id,
    actor_id,
    user_key,
    'session_pause' as signal_name,
    detected_at,
    case
        when not is_keyboard_only then case when is_escalated then escalation else threshold end
    end as value,
    case when is_escalated then escalation else threshold end as threshold,
    version as threshold_version,
    is_escalated,
    not is_keyboard_only as is_applicable,
    case when is_keyboard_only then 'keyboard_only' end as not_applicable_reason,
    page_url,
    event_id as subject_id,
    {{ json_object({'last_event_id': 'event_id', 'page_view_id': 'page_view_id'}) }} as evidence

from occurrences
where detected_at <= {{ as_of() }}
-- by time, so that a later run can skip most of history
order by detected_at

{{ config(materialized='incremental', incremental_strategy='replace_people') }}

-- a milestone of the tracking plan, with the time since sign-up where that was known by then: what
-- is said of a person afterwards is not written back
with

milestones as (

    select lasting_events.*
    from {{ ref('int_lasting_events') }} as lasting_events
    inner join {{ ref('event_catalog') }} as event_catalog
        on lasting_events.event_name = event_catalog.event_name
    where event_catalog.is_milestone and {{ person_changed() }}

),

sign_ups as (

    select
        user_key,
        min(event_at) as signed_up_at

    from {{ ref('int_lasting_events') }}
    where event_name = 'sign_up' and user_key in (select milestones.user_key from milestones)
    group by user_key

),

user_sign_ups as (

    select * from {{ ref('user_sign_ups') }}

),

user_segments as (

    select * from {{ ref('user_segments') }}

),

thresholds as (

    select * from {{ ref('int_effective_thresholds') }}
    where signal_name = 'milestone_reached'

),

timed as (

    select
        milestones.*,
        thresholds.threshold,
        thresholds.version,
        coalesce(user_sign_ups.signed_up_at, sign_ups.signed_up_at) as signed_up_at

    from milestones
    left join user_sign_ups
        on
            milestones.user_key = user_sign_ups.user_key
            and {{ holds_at('user_sign_ups', 'milestones.event_at') }}
    left join sign_ups on milestones.user_key = sign_ups.user_key
    {{ join_threshold('milestones', at='milestones.event_at') }} -- noqa: PRS

),

-- a sign-up that lies after the milestone, or is said to, is no sign-up time at all
judged as (

    select
        *,
        case
            when signed_up_at <= event_at then {{ elapsed_seconds('signed_up_at', 'event_at') }}
        end as seconds_since_sign_up

    from timed

)

select
    session_id,
    actor_id,
    user_key,
    'milestone_reached' as signal_name,
    event_at as detected_at,
    seconds_since_sign_up as value,
    threshold,
    version as threshold_version,
    false as is_escalated,
    seconds_since_sign_up is not null as is_applicable,
    case when seconds_since_sign_up is null then 'sign_up_unknown' end as not_applicable_reason,
    page_url,
    event_id as subject_id,
    {{ json_object({'milestone': 'event_name', 'last_event_id': 'event_id'}) }} as evidence

from judged
where event_at <= {{ as_of() }}

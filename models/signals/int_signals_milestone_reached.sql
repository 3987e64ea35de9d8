-- a milestone of the tracking plan, with the time since sign-up
with

milestones as (

    select lasting_events.*
    from {{ ref('int_lasting_events') }} as lasting_events
    inner join {{ ref('event_catalog') }} as event_catalog
        on lasting_events.event_name = event_catalog.event_name
    where event_catalog.is_milestone

),

sign_ups as (

    select
        user_key,
        min(event_at) as signed_up_at

    from {{ ref('int_lasting_events') }}
    where event_name = 'sign_up'
    group by user_key

),

users as (

    select * from {{ ref('users') }}

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
        coalesce(users.signed_up_at, sign_ups.signed_up_at) as signed_up_at

    from milestones
    left join users on milestones.user_key = users.user_key
    left join sign_ups on milestones.user_key = sign_ups.user_key
    {{ join_threshold('milestones', at='milestones.event_at') }} -- noqa: PRS

)

select
    session_id,
    actor_id,
    user_key,
    'milestone_reached' as signal_name,
    event_at as detected_at,
    -- a sign-up that is said to lie after the milestone is no sign-up time at all
    case
        when signed_up_at <= event_at then {{ elapsed_seconds('signed_up_at', 'event_at') }}
    end as value,
    threshold,
    version as threshold_version,
    false as is_escalated,
    true as is_applicable,
    cast(null as {{ dbt.type_string() }}) as not_applicable_reason,
    page_url,
    event_id as subject_id,
    {{ json_object({'milestone': 'event_name', 'last_event_id': 'event_id'}) }} as evidence

from timed
where event_at <= {{ as_of() }}

-- the third visit within a week of completing the onboarding: show what else there is
with

completions as (

    select
        user_key,
        min(detected_at) as completed_at

    from {{ ref('signals') }}
    where
        signal_name = 'milestone_reached'
        and {{ json_text('evidence', 'milestone') }} = 'onboarding_completed'
    group by user_key

),

sessions as (

    select * from {{ ref('sessions') }}

),

visits as (

    select
        sessions.user_key,
        sessions.session_id,
        sessions.started_at,
        completions.completed_at,
        row_number() over (
            partition by sessions.user_key order by sessions.started_at, sessions.session_id
        ) as visit_number

    from sessions
    inner join completions
        on
            sessions.user_key = completions.user_key
            and {{ is_within(
                7 * 86400, of="completions.completed_at", happened_at="sessions.started_at"
            ) }}

)

select
    user_key,
    session_id,
    started_at as moment_at,
    {{ json_object({"onboarding_completed_at": iso_text("completed_at")}) }} as evidence

from visits
where visit_number = 3

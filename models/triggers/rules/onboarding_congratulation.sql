-- onboarding is completed, for the first time, within a day of signing up: congratulate
with

completions as (

    select
        user_key,
        session_id,
        detected_at,
        value as seconds_since_sign_up,
        evidence,
        row_number() over (
            partition by user_key order by detected_at, signal_id
        ) as completion_number

    from {{ ref('signals') }}

    where
        signal_name = 'milestone_reached'
        and {{ json_text('evidence', 'milestone') }} = 'onboarding_completed'

)

select
    user_key,
    session_id,
    detected_at as moment_at,
    evidence

from completions

where
    completion_number = 1
    and seconds_since_sign_up < 24 * 3600

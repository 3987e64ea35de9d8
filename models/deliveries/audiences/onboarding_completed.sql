-- people who have finished the onboarding
select user_key

from {{ ref('signals') }}

where
    signal_name = 'milestone_reached'
    and {{ json_text('evidence', 'milestone') }} = 'onboarding_completed'
    and user_key is not null
group by user_key

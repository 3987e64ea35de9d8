-- a day after completing their profile somebody still works alone: suggest company
with

milestones as (

    select
        user_key,
        {{ json_text('evidence', 'milestone') }} as milestone,
        min(detected_at) as reached_at

    from {{ ref('signals') }}
    where signal_name = 'milestone_reached'
    group by user_key, {{ json_text('evidence', 'milestone') }}

),

profiles as (

    select * from milestones
    where milestone = 'profile_completed'

),

teams as (

    select * from milestones
    where milestone = 'team_invited'

)

-- true at the end of the day, whatever happens later
select
    profiles.user_key,
    cast(null as {{ dbt.type_string() }}) as session_id,
    {{ add_seconds("profiles.reached_at", 86400) }} as moment_at,
    {{ json_object({"profile_completed_at": iso_text("profiles.reached_at")}) }} as evidence

from profiles
left join teams
    on
        profiles.user_key = teams.user_key
        and {{ elapsed_seconds("profiles.reached_at", "teams.reached_at") }} < 86400

where teams.user_key is null

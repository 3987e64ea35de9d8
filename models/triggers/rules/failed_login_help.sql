-- the third failed login within ten minutes: help at once
with

failures as (

    select
        user_key,
        event_id,
        event_at,
        lag(event_at, 2) over (partition by actor_id order by event_at, event_id) as third_last_at

    from {{ ref('events') }}
    where event_name = 'login_failed'

)

select
    user_key,
    cast(null as {{ dbt.type_string() }}) as session_id,
    event_at as moment_at,
    {{ json_object({"first_failed_at": iso_text("third_last_at")}) }} as evidence

from failures
where {{ is_within(600, of="third_last_at", happened_at="event_at") }}

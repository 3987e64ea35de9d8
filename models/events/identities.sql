with

events as (

    select * from {{ ref('int_events_checked') }}
    where rejection_reason is null

),

sightings as (

    select
        actor_id,
        user_id,
        event_at,
        lag(user_id) over (partition by actor_id order by event_at, event_id) as previous_user_id

    from events
    where user_id is not null and anonymous_id is not null

),

-- one browser may be shared: a person counts as known until somebody else signs in
changes as (

    select
        actor_id,
        user_id,
        event_at as known_from

    from sightings
    where previous_user_id is null or previous_user_id != user_id

)

select
    actor_id,
    user_id as user_key,
    known_from,
    lead(known_from) over (partition by actor_id order by known_from, user_id) as known_until

from changes

-- where an island is longer than a session may be, the sessions into which it falls
with recursive

events as (

    select * from {{ ref('int_island_events') }}

),

long_islands as (

    select * from {{ ref('int_islands') }}
    where {{ elapsed_seconds('started_at', 'ended_at') }} > {{ var('session_limit_seconds') }}

),

instants as (

    select
        events.actor_id,
        long_islands.started_at as island_started_at,
        long_islands.ended_at as island_ended_at,
        long_islands.first_event_id as island_first_event_id,
        events.event_at,
        min(events.event_id) as first_event_id

    from long_islands
    inner join events
        on
            long_islands.actor_id = events.actor_id
            and events.event_at between long_islands.started_at and long_islands.ended_at
    group by
        events.actor_id,
        long_islands.started_at,
        long_islands.ended_at,
        long_islands.first_event_id,
        events.event_at

),

-- the session after one that begins here begins with the first event beyond the limit
linked as (

    select
        *,
        min(event_at) over (
            partition by actor_id, island_started_at
            order by {{ epoch_ms('event_at') }}
            range between {{ var('session_limit_seconds') * 1000 + 1 }} following
            and unbounded following
        ) as next_started_at

    from instants

),

session_starts as (

    select * from linked
    where event_at = island_started_at

    union all

    select linked.*
    from session_starts
    inner join linked
        on
            session_starts.actor_id = linked.actor_id
            and session_starts.island_started_at = linked.island_started_at
            and session_starts.next_started_at = linked.event_at

),

events_assigned as (

    select
        session_starts.actor_id,
        session_starts.island_started_at,
        session_starts.island_ended_at,
        session_starts.island_first_event_id,
        session_starts.event_at as started_at,
        session_starts.first_event_id,
        instants.event_at

    from session_starts
    inner join instants
        on
            session_starts.actor_id = instants.actor_id
            and session_starts.island_started_at = instants.island_started_at
            and session_starts.event_at <= instants.event_at
            and (
                session_starts.next_started_at > instants.event_at
                or session_starts.next_started_at is null
            )

)

select
    actor_id,
    island_started_at,
    island_ended_at,
    island_first_event_id,
    started_at,
    max(event_at) as ended_at,
    first_event_id

from events_assigned
group by
    actor_id, island_started_at, island_ended_at, island_first_event_id, started_at, first_event_id

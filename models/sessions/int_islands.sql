-- an island is a stretch of one actor's events without a silence longer than the session gap
with

events as (

    select * from {{ ref('int_island_events') }}

),

preceded as (

    select
        *,
        lag(event_at) over timeline as previous_event_at

    from events
    -- event_id breaks ties: two events of one millisecond must sort the same way on every run
    window timeline as (partition by actor_id order by event_at, event_id)

),

starts_marked as (

    select
        *,
        coalesce(
            {{ elapsed_seconds('previous_event_at', 'event_at') }}
            > {{ var('session_gap_seconds') }},
            true
        ) as is_start

    from preceded

),

numbered as (

    select
        *,
        sum(case when is_start then 1 else 0 end) over (
            partition by actor_id order by event_at, event_id
            rows between unbounded preceding and current row
        ) as island_number

    from starts_marked

)

select
    actor_id,
    min(event_at) as started_at,
    max(event_at) as ended_at,
    max(case when is_start then event_id end) as first_event_id,
    count(*) as event_count

from numbered
group by actor_id, island_number

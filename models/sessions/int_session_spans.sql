with

islands as (

    select * from {{ ref('int_islands') }}

),

long_islands_split as (

    select * from {{ ref('int_long_islands_split') }}

),

spans as (

    select
        actor_id,
        started_at,
        ended_at,
        first_event_id

    from islands
    where {{ elapsed_seconds('started_at', 'ended_at') }} <= {{ var('session_limit_seconds') }}

    union all

    select
        actor_id,
        started_at,
        ended_at,
        first_event_id

    from long_islands_split

)

select
    -- named after its first event, not numbered: a late event must not rename the sessions after it
    {{ hash_id(['actor_id', 'first_event_id']) }} as session_id,
    actor_id,
    started_at,
    ended_at

from spans

{{ config(materialized='incremental', incremental_strategy='replace_spans') }}

-- from when to when each session lasted. A session that late data merged into another, or whose
-- first event changed, stays here as a retired one, so that its old id can still be followed.
-- All that earlier runs made of a session lies between known_from and the last timer after
-- known_until; both are null if there is nothing
{{ after('int_touched_islands') }}
with

islands as (

    select * from {{ ref('int_islands') }}

),

long_islands_split as (

    select * from {{ ref('int_long_islands_split') }}

),

computed as (

    select
        actor_id,
        started_at as island_started_at,
        ended_at as island_ended_at,
        first_event_id as island_first_event_id,
        started_at,
        ended_at,
        first_event_id

    from islands
    where {{ elapsed_seconds('started_at', 'ended_at') }} <= {{ var('session_limit_seconds') }}

    union all

    select
        actor_id,
        island_started_at,
        island_ended_at,
        island_first_event_id,
        started_at,
        ended_at,
        first_event_id

    from long_islands_split

),

spans as (

    select
        -- named after its first event, not numbered: a late event must not rename those after it
        {{ hash_id(['actor_id', 'first_event_id']) }} as session_id,
        actor_id,
        started_at,
        ended_at,
        island_started_at,
        island_ended_at,
        -- the id of the session with which the island begins, in most of them the only one
        {{ hash_id(['actor_id', 'island_first_event_id']) }} as island_id,
        true as is_current,
        {{ latest_revision() }} as revision

    from computed

)

{% if is_incremental() %}

    select
        spans.*,
        least(earlier.started_at, earlier.known_from) as known_from,
        greatest(earlier.island_ended_at, earlier.known_until) as known_until

    from spans
    left join {{ this }} as earlier on spans.session_id = earlier.session_id

    union all

    select
        earlier.session_id,
        earlier.actor_id,
        earlier.started_at,
        earlier.ended_at,
        earlier.island_started_at,
        earlier.island_ended_at,
        cast(null as {{ dbt.type_string() }}) as island_id,
        false as is_current,
        {{ latest_revision() }} as revision,
        least(earlier.started_at, earlier.known_from) as known_from,
        greatest(earlier.island_ended_at, earlier.known_until) as known_until

    from {{ this }} as earlier
    {% if is_narrowed(this) %}
        inner join {{ ref('int_touched_islands') }} as touched_islands
            on
                earlier.actor_id = touched_islands.actor_id
                and earlier.island_started_at = touched_islands.island_started_at
    {% endif %}
    where
        earlier.is_current
        and earlier.session_id not in (select spans.session_id from spans)

{% else %}

    select
        *,
        cast(null as timestamp) as known_from,
        cast(null as timestamp) as known_until

    from spans

{% endif %}

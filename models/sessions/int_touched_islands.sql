{% set earlier_spans = earlier_state('int_session_spans') %}

-- the islands of the last run within reach of what changed since: only these can grow, merge or
-- split, because an event can touch no island that lies further away than the session gap
with

{% if is_narrowed(earlier_spans) %}

    changes as (

        select distinct
            actor_id,
            event_at

        from {{ ref('int_events_checked') }}
        where
            revision > {{ last_mark().revision }}
            and actor_id is not null
            and event_at is not null

    ),

    islands as (

        select distinct
            actor_id,
            island_started_at,
            island_ended_at

        from {{ earlier_spans }}
        where
            is_current
            and island_ended_at >= {{ add_seconds(
                first_instant(
                    "(select event_at from " ~ ref('int_events_checked') ~ " where revision > "
                    ~ last_mark().revision ~ ") as changes", 'event_at'
                ),
                -var('session_gap_seconds')
            ) }}

    )

    select distinct
        islands.actor_id,
        islands.island_started_at,
        islands.island_ended_at

    from changes
    inner join islands
        on
            changes.actor_id = islands.actor_id
            and changes.event_at
            >= {{ add_seconds('islands.island_started_at', -var('session_gap_seconds')) }}
            and changes.event_at
            <= {{ add_seconds('islands.island_ended_at', var('session_gap_seconds')) }}

{% else %}

    nothing_known_yet as (

        select
            actor_id,
            event_at as island_started_at,
            event_at as island_ended_at

        from {{ ref('int_events_checked') }}
        where false

    )

    select * from nothing_known_yet

{% endif %}

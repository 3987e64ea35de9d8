-- the accepted events to make islands of: all of them, or those of touched islands and the new ones
{{ after('int_touched_islands') }}
with

events as (

    select
        actor_id,
        event_at,
        event_id,
        revision

    from {{ ref('int_events_checked') }}
    where rejection_reason is null

)

{% if is_narrowed(earlier_state('int_session_spans')) %}

    select
        events.actor_id,
        events.event_at,
        events.event_id

    from {{ ref('int_touched_islands') }} as touched_islands
    inner join events
        on
            touched_islands.actor_id = events.actor_id
            and events.event_at
            between touched_islands.island_started_at and touched_islands.island_ended_at
    where
        events.event_at >= {{ first_instant(ref('int_touched_islands'), 'island_started_at') }}
        and events.revision <= {{ last_mark().revision }}

    union all

    select
        actor_id,
        event_at,
        event_id

    from events
    where revision > {{ last_mark().revision }}

{% else %}

    select
        actor_id,
        event_at,
        event_id

    from events

{% endif %}

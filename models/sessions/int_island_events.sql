-- the accepted events to make islands of: all of them, or those of touched islands and the new
-- ones. Each part reads for itself, so that the engine can skip what that part does not need
{{ after('int_touched_islands') }}
{% if is_narrowed(earlier_state('int_session_spans')) %}

    select
        events.actor_id,
        events.event_at,
        events.event_id

    from {{ ref('int_touched_islands') }} as touched_islands
    inner join {{ ref('int_events_checked') }} as events
        on
            touched_islands.actor_id = events.actor_id
            and events.event_at
            between touched_islands.island_started_at and touched_islands.island_ended_at
    where
        events.rejection_reason is null
        and events.event_at
        >= {{ first_instant(ref('int_touched_islands'), 'island_started_at') }}
        and events.revision <= {{ last_mark().revision }}

    union all

    select
        actor_id,
        event_at,
        event_id

    from {{ ref('int_events_checked') }}
    where rejection_reason is null and revision > {{ last_mark().revision }}

{% else %}

    select
        actor_id,
        event_at,
        event_id

    from {{ ref('int_events_checked') }}
    where rejection_reason is null

{% endif %}

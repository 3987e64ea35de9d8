{{ config(materialized='view') }}

with

events as (

    select * from {{ ref('int_events_checked') }}
    where rejection_reason is null

),

identities as (

    select * from {{ ref('identities') }}

)

select
    -- who
    events.event_id,
    events.actor_id,
    coalesce(events.user_id, identities.user_key, events.actor_id) as user_key,
    events.user_id,
    events.anonymous_id,

    -- what
    events.event_name,
    events.event_at,
    events.page_url,
    events.device_type,
    events.user_agent,
    events.properties,
    events.source,
    events.loaded_at,

    -- what the tracking plan says of it
    events.category,
    events.is_interaction,
    events.is_milestone,
    events.is_key_cta

from events
left join identities
    on
        events.actor_id = identities.actor_id
        and events.event_at >= identities.known_from
        and (events.event_at < identities.known_until or identities.known_until is null)

{{ config(materialized='incremental', instant='event_at') }}

-- the few events whose meaning outlasts their session; what looks across sessions reads these alone
{{ after('int_changed_people') }}
with

session_events as (

    select * from {{ ref('session_events') }}
    where {{ event_changed() }}

)

select
    event_id,
    session_id,
    actor_id,
    user_key,
    is_known,
    event_name,
    event_at,
    page_url,
    properties

from session_events
where {{ is_lasting() }}

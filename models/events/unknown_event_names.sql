{{ config(materialized='view') }}

with

events as (

    select * from {{ ref('int_events_checked') }}
    where rejection_reason is null and not is_in_catalog

)

select
    source,
    source_event_name,
    count(*) as event_count,
    min(event_at) as first_seen_at,
    max(event_at) as last_seen_at

from events
group by source, source_event_name

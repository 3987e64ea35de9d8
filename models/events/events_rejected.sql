{{ config(materialized='view') }}

with

rejected_events as (

    select * from {{ ref('int_events_checked') }}
    where rejection_reason is not null

),

unreadable_lines as (

    select * from {{ ref('stg_kairos__unreadable_lines') }}

),

unioned as (

    select
        event_id,
        source_event_name as event_name,
        event_at_text,
        rejection_reason as reason,
        {{ json_object({
            'event_id': 'event_id', 'user_id': 'user_id', 'anonymous_id': 'anonymous_id',
            'event_name': 'source_event_name', 'event_at': 'event_at_text',
            'page_url': 'page_url', 'device_type': 'device_type', 'user_agent': 'user_agent',
            'properties': 'properties',
        }) }} as payload,
        source,
        source_file,
        source_line,
        loaded_at

    from rejected_events

    union all

    select
        null as event_id,
        null as event_name,
        null as event_at_text,
        rejection_reason as reason,
        payload,
        source,
        source_file,
        source_line,
        loaded_at

    from unreadable_lines

)

select
    event_id,
    event_name,
    event_at_text,
    reason,
    payload,
    source,
    source_file,
    source_line,
    loaded_at

from unioned

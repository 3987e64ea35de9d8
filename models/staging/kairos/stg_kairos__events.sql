with

deliveries as (

    select * from {{ source('raw', 'events') }}
    where loaded_at <= {{ as_of() }}

)

select
    -- who
    nullif(trim(event_id), '') as event_id,
    nullif(trim(user_id), '') as user_id,
    nullif(trim(anonymous_id), '') as anonymous_id,

    -- what
    nullif(trim(event_name), '') as source_event_name,
    page_url,
    device_type,
    user_agent,
    coalesce(properties, '{}') as properties,

    -- when
    nullif(trim(event_at), '') as event_at_text,
    {{ parse_timestamp('event_at') }} as event_at,

    -- where from
    coalesce(nullif(trim(source), ''), 'kairos') as source,
    source_file,
    source_line,
    loaded_at

from deliveries

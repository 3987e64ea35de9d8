with

messages as (

    select * from {{ source('raw', 'events_segment') }}
    where loaded_at <= {{ as_of() }}

),

parsed as (

    select
        {{ json_text('payload', 'messageId') }} as message_id,
        {{ json_text('payload', 'userId') }} as user_id,
        {{ json_text('payload', 'anonymousId') }} as anonymous_id,
        {{ json_text('payload', 'type') }} as message_type,
        {{ json_text('payload', 'event') }} as track_name,
        {{ json_text('payload', 'context.page.url') }} as context_page_url,
        {{ json_text('payload', 'properties.url') }} as property_url,
        {{ json_text('payload', 'context.device.type') }} as device_type,
        {{ json_text('payload', 'context.userAgent') }} as user_agent,
        {{ json_text('payload', 'properties') }} as properties,
        {{ json_text('payload', 'traits') }} as traits,
        -- Segment has already taken the device's clock skew out of `timestamp`
        coalesce(
            {{ json_text('payload', 'timestamp') }},
            {{ json_text('payload', 'originalTimestamp') }},
            {{ json_text('payload', 'receivedAt') }}
        ) as event_at_text,
        source_file,
        source_line,
        loaded_at

    from messages

)

select
    -- who
    nullif(trim(message_id), '') as event_id,
    nullif(trim(user_id), '') as user_id,
    nullif(trim(anonymous_id), '') as anonymous_id,

    -- what
    case message_type
        when 'track' then nullif(trim(track_name), '')
        when 'page' then 'page_view'
        when 'screen' then 'page_view'
        else message_type
    end as source_event_name,
    coalesce(context_page_url, property_url) as page_url,
    device_type,
    user_agent,
    coalesce(properties, traits, '{}') as properties,

    -- when
    event_at_text,
    {{ parse_timestamp('event_at_text') }} as event_at,

    -- where from
    'segment' as source,
    source_file,
    source_line,
    loaded_at

from parsed

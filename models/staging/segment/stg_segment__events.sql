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
        {{ json_text('payload', 'timestamp') }} as stated_at_text,
        {{ json_text('payload', 'originalTimestamp') }} as original_at_text,
        {{ parse_timestamp(json_text('payload', 'sentAt')) }} as sent_at,
        {{ json_text('payload', 'receivedAt') }} as received_at_text,
        source_file,
        source_line,
        loaded_at

    from messages

),

-- where Segment kept the original time, it has taken the skew of the device's clock out of
-- `timestamp`; else the device's clock wrote it, which showed `sentAt` when it was `receivedAt`
skewed as (

    select
        *,
        coalesce(stated_at_text, original_at_text, received_at_text) as event_at_text,
        {{ parse_timestamp('received_at_text') }} as received_at,
        (stated_at_text is null) != (original_at_text is null) as is_by_device_clock

    from parsed

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
    case
        when is_by_device_clock and sent_at is not null and received_at is not null
            then {{ add_seconds(
                parse_timestamp('event_at_text'), elapsed_seconds('sent_at', 'received_at')
            ) }}
        else {{ parse_timestamp('event_at_text') }}
    end as event_at,

    -- where from
    'segment' as source,
    source_file,
    source_line,
    loaded_at

from skewed

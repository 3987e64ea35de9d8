with

exported as (

    select * from {{ source('raw', 'events_amplitude') }}
    where loaded_at <= {{ as_of() }}

),

parsed as (

    select
        coalesce(
            {{ json_text('payload', '"$insert_id"') }},
            {{ json_text('payload', 'insert_id') }},
            {{ json_text('payload', 'uuid') }}
        ) as insert_id,
        {{ json_text('payload', 'user_id') }} as user_id,
        {{ json_text('payload', 'device_id') }} as device_id,
        {{ json_text('payload', 'amplitude_id') }} as amplitude_id,
        {{ json_text('payload', 'event_type') }} as event_type,
        {{ json_text('payload', 'event_properties') }} as properties,
        coalesce(
            {{ json_text('payload', 'event_properties."[Amplitude] Page URL"') }},
            {{ json_text('payload', 'event_properties.page_url') }}
        ) as page_url,
        lower({{ json_text('payload', 'platform') }}) as platform,
        {{ json_text('payload', 'user_agent') }} as user_agent,
        coalesce(
            {{ json_text('payload', 'event_time') }},
            {{ json_text('payload', 'client_event_time') }}
        ) as event_at_text,
        source_file,
        source_line,
        loaded_at

    from exported

)

select
    -- who
    nullif(trim(insert_id), '') as event_id,
    nullif(trim(user_id), '') as user_id,
    coalesce(nullif(trim(device_id), ''), 'amplitude:' || amplitude_id) as anonymous_id,

    -- what
    nullif(trim(event_type), '') as source_event_name,
    page_url,
    case when platform in ('ios', 'android') then 'mobile' end as device_type,
    user_agent,
    coalesce(properties, '{}') as properties,

    -- when
    event_at_text,
    {{ parse_timestamp('event_at_text') }} as event_at,

    -- where from
    'amplitude' as source,
    source_file,
    source_line,
    loaded_at

from parsed

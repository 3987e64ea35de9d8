with

exported as (

    select * from {{ source('raw', 'events_mixpanel') }}
    where loaded_at <= {{ as_of() }}

),

parsed as (

    select
        payload,
        {{ json_text('payload', 'event') }} as event_name,
        {{ json_text('payload', 'properties') }} as properties,
        {{ json_text('payload', 'properties.time') }} as time_text,
        {{ json_number('payload', 'properties.time') }} as time_number,
        {{ json_text('payload', 'properties."$insert_id"') }} as insert_id,
        {{ json_text('payload', 'properties.distinct_id') }} as distinct_id,
        {{ json_text('payload', 'properties."$user_id"') }} as user_id,
        {{ json_text('payload', 'properties."$device_id"') }} as device_id,
        coalesce(
            {{ json_text('payload', 'properties."$current_url"') }},
            {{ json_text('payload', 'properties.current_url') }}
        ) as page_url,
        lower({{ json_text('payload', 'properties."$os"') }}) as operating_system,
        {{ json_text('payload', 'properties."$user_agent"') }} as user_agent,
        source_file,
        source_line,
        loaded_at

    from exported

),

-- seconds up to the export API, milliseconds from the import API on: no event is of before 1973
timed as (

    select
        *,
        case
            when abs(time_number) < 1e15
                then {{ from_epoch_ms(
                    "case when abs(time_number) < 1e11 then time_number * 1000 else time_number end"
                ) }}
        end as wall_time

    from parsed

)

select
    -- who
    coalesce(
        nullif(trim(insert_id), ''), {{ hash_id(["'mixpanel'", 'payload']) }}
    ) as event_id,
    nullif(trim(user_id), '') as user_id,
    -- an anonymous distinct_id is the device's, with or without its prefix
    coalesce(
        nullif(trim(device_id), ''),
        case
            when nullif(trim(user_id), '') is null
                then nullif(replace(trim(distinct_id), '$device:', ''), '')
        end
    ) as anonymous_id,

    -- what
    nullif(trim(event_name), '') as source_event_name,
    page_url,
    case when operating_system in ('ios', 'android') then 'mobile' end as device_type,
    user_agent,
    coalesce(properties, '{}') as properties,

    -- when
    time_text as event_at_text,
    {{ instant_of('wall_time', "'" ~ var('mixpanel_time_zone') ~ "'") }} as event_at,

    -- where from
    'mixpanel' as source,
    source_file,
    source_line,
    loaded_at

from timed

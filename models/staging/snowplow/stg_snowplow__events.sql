with

enriched as (

    select * from {{ source('raw', 'events_snowplow') }}
    where loaded_at <= {{ as_of() }}

),

parsed as (

    select
        {{ json_text('payload', 'event_id') }} as event_id,
        {{ json_text('payload', 'user_id') }} as user_id,
        coalesce(
            {{ json_text('payload', 'domain_userid') }},
            {{ json_text('payload', 'network_userid') }}
        ) as anonymous_id,
        {{ json_text('payload', 'event') }} as event_kind,
        {{ json_text('payload', 'event_name') }} as event_name,
        {{ json_text('payload', 'se_action') }} as struct_action,
        {{ json_text('payload', 'page_url') }} as page_url,
        {{ json_text('payload', 'page_urlscheme') }} as url_scheme,
        {{ json_text('payload', 'page_urlhost') }} as url_host,
        {{ json_text('payload', 'page_urlpath') }} as url_path,
        lower({{ json_text('payload', 'dvce_type') }}) as device_type,
        {{ json_text('payload', 'useragent') }} as user_agent,
        -- the event's own fields: {"schema": ..., "data": {"schema": ..., "data": {...}}}
        {{ json_text('payload', 'unstruct_event.data.data') }} as own_properties,
        coalesce(
            {{ json_text(
                'payload', 'contexts_com_snowplowanalytics_snowplow_web_page_1[0].id'
            ) }},
            {{ regexp_captured(
                json_text('payload', 'contexts'),
                "'/web_page/jsonschema/[^\"]*\"[^{]*[{][ ]*\"id\"[ ]*:[ ]*\"([^\"]+)\"'"
            ) }}
        ) as page_view_id,
        {{ json_number('payload', 'pp_yoffset_max') }} as pp_yoffset_max,
        {{ json_number('payload', 'doc_height') }} as doc_height,
        {{ json_number('payload', 'br_viewheight') }} as br_viewheight,
        {{ json_text('payload', 'se_category') }} as se_category,
        {{ json_text('payload', 'se_label') }} as se_label,
        {{ json_text('payload', 'se_property') }} as se_property,
        {{ json_number('payload', 'se_value') }} as se_value,
        coalesce(
            {{ json_text('payload', 'derived_tstamp') }},
            {{ json_text('payload', 'collector_tstamp') }}
        ) as event_at_text,
        source_file,
        source_line,
        loaded_at

    from enriched

)

select
    -- who
    nullif(trim(event_id), '') as event_id,
    nullif(trim(user_id), '') as user_id,
    nullif(trim(anonymous_id), '') as anonymous_id,

    -- what
    nullif(trim(
        case
            when event_kind in ('struct', 'se') then struct_action
            else coalesce(event_name, event_kind)
        end
    ), '') as source_event_name,
    coalesce(page_url, url_scheme || '://' || url_host || coalesce(url_path, '')) as page_url,
    case device_type when 'computer' then 'desktop' else device_type end as device_type,
    user_agent,
    {{ json_merged(
        json_object({
            'page_view_id': 'page_view_id',
            'pp_yoffset_max': 'pp_yoffset_max',
            'doc_height': 'doc_height',
            'br_viewheight': 'br_viewheight',
            'se_category': 'se_category',
            'se_label': 'se_label',
            'se_property': 'se_property',
            'se_value': 'se_value',
        }),
        "coalesce(own_properties, '{}')"
    ) }} as properties,

    -- when
    event_at_text,
    {{ parse_timestamp('event_at_text') }} as event_at,

    -- where from
    'snowplow' as source,
    source_file,
    source_line,
    loaded_at

from parsed

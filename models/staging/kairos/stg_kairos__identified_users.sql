-- what the product said of people in `identify` events of the canonical format
with

identify_events as (

    select
        user_id,
        coalesce({{ json_text('properties', 'traits') }}, properties) as traits,
        event_at,
        source_file,
        source_line,
        loaded_at

    from {{ ref('stg_kairos__events') }}
    where lower(source_event_name) = 'identify' and user_id is not null

)

select
    user_id,
    {{ json_text('traits', 'account_id') }} as account_id,
    {{ email_hash(json_text('traits', 'email_hash'), json_text('traits', 'email')) }} as email_hash,
    {{ json_text('traits', 'segment') }} as segment,
    {{ json_text('traits', 'time_zone') }} as time_zone,
    {{ json_text('traits', 'locale') }} as locale,
    {{ parse_timestamp(json_text('traits', 'signed_up_at')) }} as signed_up_at,
    {{ json_text('traits', 'consents') }} as consents,
    traits,
    coalesce(event_at, loaded_at) as updated_at,
    source_file,
    source_line,
    loaded_at

from identify_events

-- what `$identify` events say of people; other events repeat it without anything new
with

exported as (

    select
        payload,
        source_file,
        source_line,
        loaded_at,
        nullif(trim({{ json_text('payload', 'user_id') }}), '') as user_id,
        {{ json_text('payload', 'user_properties') }} as traits,
        {{ parse_timestamp(json_text('payload', 'event_time')) }} as said_at

    from {{ source('raw', 'events_amplitude') }}
    where
        loaded_at <= {{ as_of() }}
        and {{ json_text('payload', 'event_type') }} = '$identify'

)

select
    user_id,
    coalesce(
        {{ json_text('traits', 'account_id') }}, {{ json_text('payload', 'groups.account[0]') }}
    ) as account_id,
    {{ email_hash(json_text('traits', 'email_hash'), json_text('traits', 'email')) }} as email_hash,
    {{ json_text('traits', 'segment') }} as segment,
    {{ json_text('traits', 'time_zone') }} as time_zone,
    {{ json_text('traits', 'locale') }} as locale,
    {{ parse_timestamp(json_text('traits', 'signed_up_at')) }} as signed_up_at,
    {{ json_text('traits', 'consents') }} as consents,
    traits,
    coalesce(said_at, loaded_at) as updated_at,
    source_file,
    source_line,
    loaded_at

from exported
where user_id is not null

with

messages as (

    select
        payload,
        source_file,
        source_line,
        loaded_at,
        nullif(trim({{ json_text('payload', 'userId') }}), '') as user_id,
        coalesce(
            {{ json_text('payload', 'timestamp') }},
            {{ json_text('payload', 'receivedAt') }}
        ) as said_at

    from {{ source('raw', 'events_segment') }}
    where
        loaded_at <= {{ as_of() }}
        and {{ json_text('payload', 'type') }} = 'identify'

)

select
    user_id,
    coalesce(
        {{ json_text('payload', 'context.groupId') }},
        {{ json_text('payload', 'traits.account_id') }},
        {{ json_text('payload', 'traits.company.id') }}
    ) as account_id,
    {{ email_hash(
        json_text('payload', 'traits.email_hash'), json_text('payload', 'traits.email')
    ) }} as email_hash,
    {{ json_text('payload', 'traits.segment') }} as segment,
    coalesce(
        {{ json_text('payload', 'traits.time_zone') }},
        {{ json_text('payload', 'context.timezone') }}
    ) as time_zone,
    coalesce(
        {{ json_text('payload', 'traits.locale') }},
        {{ json_text('payload', 'context.locale') }}
    ) as locale,
    {{ parse_timestamp(
        "coalesce("
        ~ json_text('payload', 'traits.signed_up_at') ~ ", "
        ~ json_text('payload', 'traits.createdAt') ~ ", "
        ~ json_text('payload', 'traits.created_at') ~ ")"
    ) }} as signed_up_at,
    {{ json_text('payload', 'traits.consents') }} as consents,
    {{ json_text('payload', 'traits') }} as traits,
    coalesce({{ parse_timestamp('said_at') }}, loaded_at) as updated_at,
    source_file,
    source_line,
    loaded_at

from messages
where user_id is not null

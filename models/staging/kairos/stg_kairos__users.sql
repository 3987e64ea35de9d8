with

people as (

    select * from {{ source('raw', 'users') }}
    where loaded_at <= {{ as_of() }}

)

select
    nullif(trim(user_id), '') as user_id,
    nullif(trim(account_id), '') as account_id,
    {{ email_hash(
        'email_hash',
        "case when " ~ is_json_object('traits') ~ " then " ~ json_text('traits', 'email') ~ " end"
    ) }} as email_hash,
    nullif(trim(segment), '') as segment,
    nullif(trim(time_zone), '') as time_zone,
    nullif(trim(locale), '') as locale,
    {{ parse_timestamp('signed_up_at') }} as signed_up_at,
    consents,
    traits,
    coalesce({{ parse_timestamp('updated_at') }}, loaded_at) as updated_at,
    source_file,
    source_line,
    loaded_at

from people
where nullif(trim(user_id), '') is not null

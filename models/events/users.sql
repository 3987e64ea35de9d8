with

statements as (

    select * from {{ ref('int_user_statements') }}

),

ranked as (

    select
        *,
        row_number() over (
            partition by user_id
            order by updated_at, loaded_at, source_file, source_line
        ) as statement_rank

    from statements

),

-- the latest statement wins field by field: one that leaves a field out does not erase it
merged as (

    select
        user_id,
        {{ latest_known('account_id', 'statement_rank') }} as account_id,
        {{ latest_known('email_hash', 'statement_rank') }} as email_hash,
        {{ latest_known('segment', 'statement_rank') }} as segment,
        {{ latest_known('time_zone', 'statement_rank') }} as time_zone,
        {{ latest_known('locale', 'statement_rank') }} as locale,
        {{ latest_known('signed_up_at', 'statement_rank') }} as signed_up_at,
        {{ latest_known('consents', 'statement_rank') }} as consents,
        {{ latest_known('traits', 'statement_rank') }} as traits,
        max(updated_at) as updated_at

    from ranked
    group by user_id

)

select
    user_id as user_key,
    account_id,
    email_hash,
    segment,
    time_zone,
    locale,
    signed_up_at,
    consents,
    traits,
    updated_at

from merged

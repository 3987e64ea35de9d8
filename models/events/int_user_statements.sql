-- what is said of people, by lists and by events. A further source of lists is one more staging
-- model and one more `union all`
select
    user_id,
    account_id,
    email_hash,
    segment,
    time_zone,
    locale,
    signed_up_at,
    consents,
    traits,
    updated_at,
    source_file,
    source_line,
    loaded_at

from {{ ref('stg_kairos__users') }}
union all
select
    user_id,
    account_id,
    email_hash,
    segment,
    time_zone,
    locale,
    signed_up_at,
    consents,
    traits,
    updated_at,
    source_file,
    source_line,
    loaded_at

from {{ ref('int_identified_users') }}

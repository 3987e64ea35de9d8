-- when each person is said to have signed up, and from when to when that was what had been said
with

statements as (

    select
        user_id as user_key,
        signed_up_at,
        updated_at,
        row_number() over (
            partition by user_id, updated_at
            order by loaded_at desc, source_file desc, source_line desc
        ) as recency

    from {{ ref('int_user_statements') }}
    where signed_up_at is not null

),

compared as (

    select
        user_key,
        signed_up_at,
        updated_at,
        lag(signed_up_at) over (
            partition by user_key order by updated_at
        ) as previous_signed_up_at

    from statements
    where recency = 1

)

select
    user_key,
    signed_up_at,
    updated_at as effective_from,
    lead(updated_at) over (partition by user_key order by updated_at) as effective_until

from compared
where previous_signed_up_at is null or previous_signed_up_at != signed_up_at

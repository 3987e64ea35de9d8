with

moments as (

    select * from {{ ref('trigger_moments') }}
    where moment_at <= {{ as_of() }}

),

identified as (

    select
        *,
        -- of somebody unknown, the session is all there is to tell one moment from another
        {{ hash_id([
            "trigger_name",
            "coalesce(user_key, 'session ' || session_id)",
            epoch_ms("moment_at"),
        ]) }} as decision_id

    from moments

),

-- two tabs can pause at the same instant: one moment, one message
numbered as (

    select
        *,
        row_number() over (
            partition by decision_id order by session_id nulls last, evidence nulls last
        ) as duplicate_number

    from identified

)

select
    decision_id,
    trigger_name,
    user_key,
    session_id,
    moment_at,
    evidence

from numbered
where duplicate_number = 1

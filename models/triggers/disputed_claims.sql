with

claims as (

    select
        arbitration_rank,
        bucket,
        maximum - used_before as room,
        is_counted,
        is_ghost

    from {{ ref('limit_claims') }}

),

stopped_by_history as (

    select arbitration_rank
    from claims
    where room <= 0
    group by arbitration_rank

),

competing as (

    select claims.*
    from claims
    left join stopped_by_history
        on claims.arbitration_rank = stopped_by_history.arbitration_rank

    where stopped_by_history.arbitration_rank is null

),

-- a bucket that has room for all who could ask is no matter of dispute
disputed_buckets as (

    select bucket
    from competing
    group by bucket
    having
        count(case when is_counted then 1 end) - case when bool_and(is_counted) then 1 else 0 end
        >= min(room)

)

select
    competing.arbitration_rank,
    competing.bucket,
    competing.room,
    competing.is_counted,
    competing.is_ghost

from competing
inner join disputed_buckets
    on competing.bucket = disputed_buckets.bucket

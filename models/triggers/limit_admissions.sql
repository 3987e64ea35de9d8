-- Greedy, all limits together: in the order of arbitration, whoever finds room under every limit
-- takes a place under each, and whoever does not takes none. Counting rows cannot do this, since
-- whether the third may go depends on whether the second went. So it is settled in rounds. A
-- round admits everybody who finds room even if all who are ahead of them should be admitted,
-- stops everybody whose limit is filled by those already admitted ahead of them, and takes these
-- places off what is left for those behind. The first in order is always settled, so it ends;
-- most people are settled in two rounds.
{%- set ahead = (
    "partition by bucket order by arbitration_rank rows between unbounded preceding and 1 preceding"
) %}

with recursive

claims as (

    select
        decision_id,
        arbitration_rank,
        bucket,
        -- places left; null where the limit cannot stop this message
        maximum - used_before as room,
        is_counted,
        is_ghost

    from {{ ref('limit_claims') }}

),

stopped_by_history as (

    select decision_id
    from claims
    where room <= 0
    group by decision_id

),

competing as (

    select claims.*
    from claims
    left join stopped_by_history
        on claims.decision_id = stopped_by_history.decision_id

    where stopped_by_history.decision_id is null

),

-- a bucket that has room for all who could ask is no matter of dispute
disputed_buckets as (

    select bucket
    from competing
    group by bucket
    having
        count(case when is_counted then 1 end) - case when bool_and(is_counted) then 1 else 0 end
        >= min(room)

),

rounds as (

    select
        competing.decision_id,
        competing.arbitration_rank,
        competing.bucket,
        competing.room,
        competing.is_counted,
        competing.is_ghost,
        cast(null as {{ dbt.type_boolean() }}) as is_admitted

    from competing
    inner join disputed_buckets
        on competing.bucket = disputed_buckets.bucket

    union all

    select
        decision_id,
        arbitration_rank,
        bucket,
        room
        - count(case when is_settled_in and is_counted and not is_ghost then 1 end)
            over ({{ ahead }})
        - case
            when is_ghost
                then count(case when is_settled_in and is_counted and is_ghost then 1 end)
                    over ({{ ahead }})
            else 0
        end as room,
        is_counted,
        is_ghost,
        is_settled_in as is_admitted

    from (
        select
            *,
            case
                when bool_or(is_full) over (partition by decision_id) then false
                when bool_and(is_open) over (partition by decision_id) then true
            end as is_settled_in

        from (
            select
                *,
                coalesce(room <= 0, false) as is_full,
                coalesce(
                    room
                    > count(case when is_counted and not is_ghost then 1 end) over ({{ ahead }})
                    + case
                        when is_ghost
                            then
                                count(case when is_counted and is_ghost then 1 end)
                                    over ({{ ahead }})
                        else 0
                    end,
                    true
                ) as is_open

            from rounds
            where is_admitted is null
        ) as looked_ahead
    ) as settled

),

refused as (

    select decision_id
    from rounds
    where not is_admitted
    group by decision_id

)

select
    contenders.decision_id,
    stopped_by_history.decision_id is null and refused.decision_id is null as is_admitted

from {{ ref('contenders') }} as contenders
left join stopped_by_history
    on contenders.decision_id = stopped_by_history.decision_id
left join refused
    on contenders.decision_id = refused.decision_id

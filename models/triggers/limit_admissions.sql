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

rounds as (

    select
        arbitration_rank,
        bucket,
        room,
        is_counted,
        is_ghost,
        cast(null as {{ dbt.type_boolean() }}) as is_admitted

    from {{ ref('disputed_claims') }}

    union all

    select
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
                when bool_or(is_full) over (partition by arbitration_rank) then false
                when bool_and(is_open) over (partition by arbitration_rank) then true
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

)

-- who is in no dispute is in here not at all
select
    arbitration_rank,
    is_admitted

from rounds
where is_admitted is not null
group by arbitration_rank, is_admitted

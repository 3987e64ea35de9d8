with

audiences as (

    select
        time_zone,
        channel,
        tier,
        {{ wall_clock(as_of(), "time_zone") }} as wall_clock_at

    from {{ ref('candidate_facts') }}
    group by time_zone, channel, tier

),

quiet_hours as (

    select
        channel,
        tier,
        {{ seconds_of_day("starts_at") }} as starts_second,
        {{ seconds_of_day("ends_at") }} as ends_second

    from {{ ref('quiet_hours') }}
    where is_enabled

),

clocks_read as (

    select
        *,
        date_trunc('day', wall_clock_at) as wall_midnight,
        {{ elapsed_seconds("date_trunc('day', wall_clock_at)", "wall_clock_at") }} as wall_second

    from audiences

),

-- half-open: quiet from its start, awake at its very end; it may run over midnight
asleep as (

    select
        clocks_read.*,
        {{ add_seconds(
            "clocks_read.wall_midnight",
            "quiet_hours.ends_second + case when clocks_read.wall_second >= quiet_hours.ends_second then 86400 else 0 end"
        ) }} as wall_wakes_at

    from clocks_read
    inner join quiet_hours
        on
            quiet_hours.channel in ('*', clocks_read.channel)
            and quiet_hours.tier in ('*', clocks_read.tier)
            and case
                when quiet_hours.starts_second < quiet_hours.ends_second
                    then
                        clocks_read.wall_second >= quiet_hours.starts_second
                        and clocks_read.wall_second < quiet_hours.ends_second
                else
                    clocks_read.wall_second >= quiet_hours.starts_second
                    or clocks_read.wall_second < quiet_hours.ends_second
            end

),

-- in the hour that a clock shows twice, the first of the two may be over already
woken as (

    select
        *,
        {{ instant_of("wall_wakes_at", "time_zone") }} as first_waking_at

    from asleep

)

select
    time_zone,
    channel,
    tier,
    max(
        case
            when first_waking_at > {{ as_of() }} then first_waking_at
            else {{ add_seconds("first_waking_at", 3600) }}
        end
    ) as wakes_at

from woken
group by time_zone, channel, tier

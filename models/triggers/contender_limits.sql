with

contenders as (

    select * from {{ ref('contenders') }}

),

verdicts as (

    select * from {{ ref('limit_verdicts') }}

),

-- null: never, as far as anybody can tell
freed as (

    select
        *,
        case
            when not is_full then null
            when window_kind = 'rolling'
                then
                    {{ add_seconds("coalesce(oldest_used_at, " ~ as_of() ~ ")", "window_seconds") }}
            when window_kind = 'calendar_day'
                then {{ next_midnight(as_of(), "time_zone", "day") }}
            when window_kind = 'calendar_week'
                then {{ next_midnight(as_of(), "time_zone", "week") }}
        end as frees_at,
        {{ json_object({
            "limit": "limit_name",
            "used_before": "used_before",
            "used_in_run": "used_in_run",
            "maximum": "maximum",
        }) }} as operands

    from verdicts

),

-- a limit that history fills stops by itself; only where none does was somebody else the reason
summed as (

    select
        arbitration_rank,
        min(case when limit_kind = 'cooldown' and is_full_before then limit_name end)
            as cooldown_limit,
        min(case when limit_kind = 'cap' and is_full_before then limit_name end) as cap_limit,
        min(case when is_full and not is_full_before then limit_name end) as full_limit,
        max(case when limit_kind = 'cooldown' and is_full_before then frees_at end)
            as cooldown_frees_at,
        max(frees_at) as frees_at,
        bool_or(is_full and frees_at is null) as is_full_for_ever,
        {{ json_array_of("case when limit_kind = 'cooldown' then operands end") }}
            as cooldown_operands,
        {{ json_array_of("case when limit_kind = 'cap' then operands end") }}
            as cap_operands

    from freed
    group by arbitration_rank

),

-- waiting helps only if room comes before the message expires
judged as (

    select
        contenders.*,
        summed.cooldown_limit,
        summed.cap_limit,
        case
            when summed.cooldown_limit is null and summed.cap_limit is null then summed.full_limit
        end
            as outranked_limit,
        summed.cooldown_frees_at,
        summed.frees_at,
        coalesce(summed.cooldown_operands, '[]') as cooldown_operands,
        coalesce(summed.cap_operands, '[]') as cap_operands,
        contenders.is_deferrable
        and not coalesce(summed.is_full_for_ever, false)
        and coalesce(summed.frees_at < contenders.expires_at, contenders.expires_at is null)
            as is_worth_waiting

    from contenders
    left join summed
        on contenders.arbitration_rank = summed.arbitration_rank

)

select
    decision_id,
    tier,
    priority,
    score,
    bypass_caps,
    rank_of_person,
    rivals_of_person,
    cooldown_limit,
    cooldown_frees_at,
    cooldown_operands,
    outranked_limit,
    cap_limit,
    cap_operands,
    case when is_worth_waiting then frees_at end as room_at

from judged

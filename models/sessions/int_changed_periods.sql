-- when the changed sessions were, so that the engine can skip the rest of history: at most twenty
-- periods, cut where nothing changed for longest. The sessions of which earlier runs made something
-- have periods of their own, which hold all of it
with

sessions as (

    select
        session_id,
        started_at as starts_at,
        island_ended_at as ends_at,
        false as is_known

    from {{ ref('int_changed_sessions') }}

    union all

    select
        session_id,
        known_from as starts_at,
        known_until as ends_at,
        true as is_known

    from {{ ref('int_changed_sessions') }}
    where known_from is not null

),

preceded as (

    select
        *,
        max(ends_at) over (
            partition by is_known order by starts_at, session_id
            rows between unbounded preceding and 1 preceding
        ) as reached_at

    from sessions

),

gaps_ranked as (

    select
        *,
        row_number() over (
            partition by is_known
            order by
                {{ elapsed_seconds('reached_at', 'starts_at') }} desc nulls first,
                starts_at asc,
                session_id asc
        ) as gap_rank

    from preceded

),

numbered as (

    select
        *,
        sum(case when gap_rank <= 20 then 1 else 0 end) over (
            partition by is_known order by starts_at, session_id
            rows between unbounded preceding and current row
        ) as period_number

    from gaps_ranked

)

select
    is_known,
    min(starts_at) as starts_at,
    {{ add_seconds('max(ends_at)', var('longest_timer_seconds')) }} as ends_at

from numbered
group by is_known, period_number

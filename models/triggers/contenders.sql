with

candidates as (

    select * from {{ ref('candidate_facts') }}

),

assignments as (

    select * from {{ ref('candidate_assignments') }}

),

quiet_hours as (

    select * from {{ ref('quiet_hours_now') }}

),

-- the gates before the limits, which look at the candidate alone
verdicts as (

    select
        decision_id,
        is_passed
    from {{ ref('gate_data_valid') }}
    union all
    select
        decision_id,
        is_passed
    from {{ ref('gate_not_a_bot') }}
    union all
    select
        decision_id,
        is_passed
    from {{ ref('gate_consent') }}
    union all
    select
        decision_id,
        is_passed
    from {{ ref('gate_enabled') }}
    union all
    select
        decision_id,
        is_passed
    from {{ ref('gate_freshness') }}
    union all
    select
        decision_id,
        is_passed
    from {{ ref('gate_assignment') }}
    union all
    select
        decision_id,
        is_passed
    from {{ ref('gate_eligibility') }}

),

stopped as (

    select decision_id
    from verdicts
    where not is_passed
    group by decision_id

),

passed as (

    select
        candidates.*,
        assignments.is_ghost,
        quiet_hours.wakes_at,
        candidates.on_capped = 'defer' as is_deferrable

    from candidates
    inner join assignments
        on candidates.decision_id = assignments.decision_id
    left join quiet_hours
        on
            candidates.time_zone = quiet_hours.time_zone
            and candidates.channel = quiet_hours.channel
            and candidates.tier = quiet_hours.tier
    left join stopped
        on candidates.decision_id = stopped.decision_id

    where stopped.decision_id is null

),

-- the total order in which places are given out; the id breaks what nothing else can
ranked as (

    select
        *,
        row_number() over (
            order by
                tier_rank asc,
                priority desc,
                score desc nulls last,
                moment_at asc,
                trigger_name asc,
                decision_id asc
        ) as arbitration_rank

    from passed

)

select
    decision_id,
    trigger_name,
    user_key,
    account_id,
    session_id,
    time_zone,
    tier,
    priority,
    score,
    channel,
    tags,
    bypass_caps,
    counts_toward_caps,
    arbitration_rank,
    row_number() over (partition by user_key order by arbitration_rank) as rank_of_person,
    count(*) over (partition by user_key) - 1 as rivals_of_person,
    expires_at,
    wakes_at,
    is_deferrable,
    is_ghost

from ranked

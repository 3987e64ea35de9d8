{{ config(materialized="view") }}

with

decisions as (

    select * from {{ ref('trigger_decisions') }}

),

-- a deferral is followed by the decision that it put off
numbered as (

    select
        *,
        row_number() over (
            partition by decision_id
            order by case when outcome = 'deferred' then 1 else 0 end, decided_at desc
        ) as recency,
        count(*) over (partition by decision_id) - 1 as earlier_deferral_count

    from decisions

)

select
    decision_id,
    trigger_name,
    user_key,
    session_id,
    account_id,
    moment_at,
    decided_at,
    outcome,
    reason,
    blocked_by,
    deferred_until,
    tier,
    priority,
    score,
    channel,
    tags,
    holdout,
    experiment,
    arm,
    destination,
    content_key,
    expires_at,
    config_version,
    bypass_caps,
    counts_toward_caps,
    earlier_deferral_count

from numbered
where recency = 1

{{ config(materialized="view") }}

-- the caps that are on; one that belongs to an arm holds for the people whom the hash puts there
with

caps as (

    select * from {{ ref('fatigue_caps') }}
    -- no maximum is no cap; a maximum of nought blocks everything
    where is_enabled and maximum is not null

),

arms as (

    select
        experiments.experiment,
        experiments.hash_seed,
        arms.arm,
        arms.bucket_from,
        arms.bucket_to

    from {{ ref('experiments') }} as experiments
    inner join {{ ref('experiment_arms') }} as arms
        on experiments.experiment = arms.experiment
    where experiments.is_enabled

)

select
    caps.cap_name,
    caps.scope,
    caps.scope_value,
    caps.window_kind,
    caps.window_seconds,
    caps.time_zone,
    caps.maximum,
    arms.hash_seed,
    arms.bucket_from,
    arms.bucket_to

from caps
left join arms
    on
        caps.experiment = arms.experiment
        and caps.arm = arms.arm
where caps.experiment is null or arms.arm is not null

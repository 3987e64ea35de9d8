with

candidates as (

    select * from {{ ref('candidate_facts') }}

),

experiments as (

    select * from {{ ref('experiments') }}
    where is_enabled

),

arms as (

    select * from {{ ref('experiment_arms') }}

),

holdouts as (

    select * from {{ ref('holdouts') }}
    where is_enabled

),

-- who was ever in an arm stays in it, whatever the shares become
first_arms as (

    select
        user_key,
        experiment,
        arm,
        row_number() over (
            partition by user_key, experiment order by decided_at, moment_at, decision_id
        ) as decision_number

    from {{ ref('decisions_made') }}
    where arm is not null

),

units as (

    select
        candidates.decision_id,
        candidates.user_key,
        experiments.experiment,
        experiments.hash_seed,
        experiments.namespace,
        experiments.namespace_from,
        experiments.namespace_to,
        case experiments.unit
            when 'user' then candidates.user_key
            when 'account' then coalesce(candidates.account_id, candidates.address)
            else candidates.address
        end as unit

    from candidates
    left join experiments
        on candidates.experiment = experiments.experiment

),

places as (

    select
        *,
        {{ assigned_place("hash_seed", "unit") }} as place, -- noqa: PRS
        {{ assigned_place("namespace", "unit") }} as namespace_place -- noqa: PRS

    from units

),

holdout_places as (

    select
        candidates.decision_id,
        holdouts.holdout,
        holdouts.share,
        {{ assigned_place("holdouts.hash_seed", "candidates.address") }} as place -- noqa: PRS

    from candidates
    inner join holdouts
        on
            '|' || coalesce(candidates.tags, '') || '|'
            not like '%|' || coalesce(holdouts.exempt_tag, '~') || '|%'

),

held_out as (

    select
        decision_id,
        min(holdout) as holdout

    from holdout_places
    where place < share
    group by decision_id

)

-- experiments of one namespace share its hash and take disjoint parts: they exclude each other
select
    places.decision_id,
    held_out.holdout,
    places.experiment,
    places.place,
    coalesce(arms.arm, first_arms.arm) as arm,
    held_out.holdout is not null or coalesce(arms.is_control, false) as is_ghost

from places
left join first_arms
    on
        places.user_key = first_arms.user_key
        and places.experiment = first_arms.experiment
        and first_arms.decision_number = 1
left join arms
    on
        places.experiment = arms.experiment
        and case
            when first_arms.arm is not null then first_arms.arm = arms.arm
            else
                coalesce(
                    places.namespace_place >= places.namespace_from
                    and places.namespace_place < places.namespace_to,
                    places.namespace is null
                )
                and places.place >= arms.bucket_from
                and places.place < arms.bucket_to
        end
left join held_out
    on places.decision_id = held_out.decision_id

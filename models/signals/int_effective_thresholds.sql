-- which threshold holds for which segment, arm and period. A row for an arm of an experiment goes
-- before one for everybody, then a segment's own row before that of '*'
with

thresholds as (

    select * from {{ ref('signal_thresholds') }}

),

changed_signals as (

    select
        signal_name,
        experiment
    from thresholds
    where experiment is not null
    group by signal_name, experiment

),

arms as (

    select
        changed_signals.signal_name,
        experiments.experiment,
        experiments.hash_seed,
        experiment_arms.arm,
        experiment_arms.bucket_from,
        experiment_arms.bucket_to

    from {{ ref('experiments') }} as experiments
    inner join {{ ref('experiment_arms') }} as experiment_arms
        on experiments.experiment = experiment_arms.experiment
    inner join changed_signals
        on experiments.experiment = changed_signals.experiment
    where experiments.is_enabled

),

segments as (

    select segment from {{ ref('user_segments') }}

    union

    select segment from thresholds

),

-- people by their place under the experiment's hash: those of an arm, those between two arms, and
-- those behind the last; without an experiment everybody is one group
buckets as (

    select
        signal_name,
        hash_seed,
        experiment,
        arm,
        bucket_from,
        bucket_to
    from arms

    union all

    select
        signal_name,
        hash_seed,
        experiment,
        null as arm,
        lag(bucket_to) over (partition by signal_name order by bucket_from) as bucket_from,
        bucket_from as bucket_to
    from arms

    union all

    select
        signal_name,
        min(hash_seed) as hash_seed,
        min(experiment) as experiment,
        null as arm,
        max(bucket_to) as bucket_from,
        null as bucket_to
    from arms
    group by signal_name

    union all

    select
        signal_name,
        null as hash_seed,
        null as experiment,
        null as arm,
        null as bucket_from,
        null as bucket_to
    from thresholds
    where signal_name not in (select arms.signal_name from arms)
    group by signal_name

),

candidates as (

    select
        thresholds.signal_name,
        segments.segment,
        buckets.hash_seed,
        buckets.bucket_from,
        buckets.bucket_to,
        thresholds.experiment is null as is_for_every_arm,
        thresholds.segment = '*' as is_for_every_segment,
        thresholds.threshold,
        thresholds.escalation,
        thresholds.minimum_count,
        thresholds.version,
        thresholds.valid_from,
        thresholds.valid_to

    from thresholds
    inner join segments on thresholds.segment in (segments.segment, '*')
    inner join buckets
        on
            thresholds.signal_name = buckets.signal_name
            and (
                thresholds.experiment is null
                or (
                    thresholds.experiment = buckets.experiment
                    and thresholds.arm = buckets.arm
                )
            )

),

changes as (

    select
        signal_name,
        segment,
        bucket_from,
        bucket_to,
        valid_from as effective_from
    from candidates

    union

    select
        signal_name,
        segment,
        bucket_from,
        bucket_to,
        valid_to as effective_from
    from candidates
    where valid_to is not null

),

periods as (

    select
        *,
        lead(effective_from) over (
            partition by signal_name, segment, bucket_from, bucket_to order by effective_from
        ) as effective_until

    from changes

),

ranked as (

    select
        periods.*,
        candidates.hash_seed,
        candidates.threshold,
        candidates.escalation,
        candidates.minimum_count,
        candidates.version,
        row_number() over (
            partition by
                periods.signal_name,
                periods.segment,
                periods.bucket_from,
                periods.bucket_to,
                periods.effective_from
            order by
                candidates.is_for_every_arm asc,
                candidates.is_for_every_segment asc,
                candidates.valid_from desc,
                candidates.version desc
        ) as preference

    from periods
    inner join candidates
        on
            periods.signal_name = candidates.signal_name
            and periods.segment = candidates.segment
            and periods.bucket_from is not distinct from candidates.bucket_from
            and periods.bucket_to is not distinct from candidates.bucket_to
            and periods.effective_from >= candidates.valid_from
            and (periods.effective_from < candidates.valid_to or candidates.valid_to is null)

)

select
    signal_name,
    segment,
    hash_seed,
    bucket_from,
    bucket_to,
    effective_from,
    effective_until,
    threshold,
    escalation,
    minimum_count,
    version

from ranked
where preference = 1

-- a threshold or a cap for an arm that nobody is in would silently do nothing. Such experiments
-- deal out users by no namespace: who somebody is, is all that is known of them at every instant
with

tailored as (

    select
        'signal_thresholds.csv, ' || signal_name as place,
        signal_name,
        experiment,
        arm
    from {{ ref('signal_thresholds') }}
    where experiment is not null or arm is not null

    union all

    select
        'fatigue_caps.csv, ' || cap_name as place,
        null as signal_name,
        experiment,
        arm
    from {{ ref('fatigue_caps') }}
    where experiment is not null or arm is not null

),

experiments as (

    select * from {{ ref('experiments') }}

),

arms as (

    select * from {{ ref('experiment_arms') }}

),

rivals as (

    select signal_name
    from tailored
    where signal_name is not null
    group by signal_name
    having count(distinct experiment) > 1

),

judged as (

    select
        tailored.place,
        tailored.experiment,
        tailored.arm,
        case
            when arms.arm is null then 'there is no such arm in experiment_arms.csv'
            when experiments.unit != 'user' then 'its experiment must have the unit user'
            when experiments.namespace is not null then 'its experiment must have no namespace'
            when tailored.signal_name in (select rivals.signal_name from rivals)
                then 'two experiments change one signal'
        end as fault

    from tailored
    left join experiments on tailored.experiment = experiments.experiment
    left join arms
        on
            tailored.experiment = arms.experiment
            and tailored.arm = arms.arm

)

select * from judged
where fault is not null

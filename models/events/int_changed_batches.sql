{% set judged_deliveries = earlier_state('int_events_checked') %}

-- a batch is what was taken in within one minute. It is judged again when its count is not what was
-- judged, or when the tracking plan is another by now; at first that is every batch
with

{% if is_built_before(judged_deliveries) %}

    arrived as (

        select
            loaded_at,
            count(*) as delivery_count

        from {{ ref('int_events_unioned') }}
        group by loaded_at

    ),

    delivered as (

        select
            date_trunc('minute', loaded_at) as batch_at,
            sum(delivery_count) as delivery_count

        from arrived
        group by date_trunc('minute', loaded_at)

    ),

    judged as (

        select
            batch_at,
            count(*) as delivery_count

        from {{ judged_deliveries }}
        group by batch_at

    ),

    judged_by_another_plan as (

        select distinct batch_at
        from {{ judged_deliveries }}
        where plan_version != '{{ plan_version() }}'

    )

    select delivered.batch_at
    from delivered
    left join judged on delivered.batch_at = judged.batch_at
    where
        judged.delivery_count is null
        or judged.delivery_count != delivered.delivery_count
        or delivered.batch_at in (
            select judged_by_another_plan.batch_at from judged_by_another_plan
        )

{% else %}

    batches as (

        select distinct date_trunc('minute', loaded_at) as batch_at
        from {{ ref('int_events_unioned') }}

    )

    select * from batches

{% endif %}

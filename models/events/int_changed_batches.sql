{% set judged_deliveries = earlier_state('int_events_checked') %}

-- a batch is what one landing table took in within one minute. It is judged again when its count is
-- not what was judged, or when the tracking plan is another by now; at first that is every batch
with

arrived as (

    select
        landing,
        loaded_at,
        count(*) as delivery_count

    from {{ ref('int_events_unioned') }}
    group by landing, loaded_at

),

delivered as (

    select
        landing,
        date_trunc('minute', loaded_at) as batch_at,
        sum(delivery_count) as delivery_count

    from arrived
    group by landing, date_trunc('minute', loaded_at)

),

judged_by_plan as (

    {% if is_narrowed(judged_deliveries) %}
        select
            landing,
            batch_at,
            plan_version,
            count(*) as delivery_count

        from {{ judged_deliveries }}
        group by landing, batch_at, plan_version
    {% else %}
        select
            landing,
            batch_at,
            '' as plan_version,
            0 as delivery_count

        from delivered
        where false
    {% endif %}

),

judged as (

    select
        landing,
        batch_at,
        sum(delivery_count) as delivery_count,
        min(plan_version) as oldest_plan_version,
        max(plan_version) as newest_plan_version

    from judged_by_plan
    group by landing, batch_at

)

select
    delivered.landing,
    delivered.batch_at

from delivered
left join judged
    on
        delivered.landing = judged.landing
        and delivered.batch_at = judged.batch_at
where
    judged.delivery_count is null
    or judged.delivery_count != delivered.delivery_count
    or judged.oldest_plan_version != '{{ plan_version() }}'
    or judged.newest_plan_version != '{{ plan_version() }}'

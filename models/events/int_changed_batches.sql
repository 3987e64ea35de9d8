{% set judged_deliveries = earlier_state('int_events_checked') %}

-- a batch is what was taken in within one minute. It is judged again when its count is not what was
-- judged, when a run judged it that died, or when the tracking plan is another by now; at first
-- that is every batch
with

{% if is_built_before(judged_deliveries) %}

    {% set first_batch = first_batch_to_count(judged_deliveries) %}

    arrived as (

        select
            loaded_at,
            count(*) as delivery_count

        from {{ ref('int_events_unioned') }}
        where loaded_at >= {{ first_batch }}
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
            count(*) as delivery_count,
            count(
                case
                    when
                        plan_version = '{{ plan_version() }}'
                        and revision <= {{ last_mark().revision }}
                        then 1
                end
            ) as settled_count

        from {{ judged_deliveries }}
        where batch_at >= {{ first_batch }}
        group by batch_at

    )

    select delivered.batch_at
    from delivered
    left join judged on delivered.batch_at = judged.batch_at
    where
        judged.delivery_count is null
        or judged.delivery_count != delivered.delivery_count
        or judged.settled_count != judged.delivery_count

{% else %}

    batches as (

        select distinct date_trunc('minute', loaded_at) as batch_at
        from {{ ref('int_events_unioned') }}

    )

    select * from batches

{% endif %}

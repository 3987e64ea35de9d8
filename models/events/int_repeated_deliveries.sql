-- which earlier deliveries are of events that are delivered again in this run: found among the keys
-- of history, so that the rest of a row is read only where one of them lies
{{ after('int_changed_batches') }}
{% set judged_deliveries = earlier_state('int_events_checked') %}
{% if is_built_before(judged_deliveries) %}

    with

    delivered_again as (

        select {{ hash_key('event_id') }} as event_key
        from {{ ref('int_events_named') }}
        where
            event_id is not null
            and loaded_at >= {{ first_instant(ref('int_changed_batches'), 'batch_at') }}
            and date_trunc('minute', loaded_at) in (
                select changed_batches.batch_at
                from {{ ref('int_changed_batches') }} as changed_batches
            )

    )

    select
        event_key,
        batch_at

    from {{ judged_deliveries }}
    where
        event_key in (select delivered_again.event_key from delivered_again)
        and batch_at not in (
            select changed_batches.batch_at
            from {{ ref('int_changed_batches') }} as changed_batches
        )

{% else %}

    with

    nothing_judged_yet as (

        select
            {{ hash_key('event_id') }} as event_key,
            loaded_at as batch_at

        from {{ ref('int_events_named') }}
        where false

    )

    select * from nothing_judged_yet

{% endif %}

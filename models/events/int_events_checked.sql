{{ config(materialized='incremental', incremental_strategy='replace_deliveries') }}

-- the verdict over every delivered event: rejection_reason is null for those that are accepted
{{ after('int_changed_batches') }}
{{ after('int_repeated_deliveries') }}
with

catalog as (

    select
        event_name,
        {{ required_properties('property_name', 'data_type') }} as required_properties

    from {{ ref('event_properties') }}
    where is_required
    group by event_name

),

new_deliveries as (

    select
        named.*,
        date_trunc('minute', named.loaded_at) as batch_at,
        -- none where there is no id: those are no deliveries of one event
        case when named.event_id is not null then {{ hash_key('named.event_id') }} end as event_key

    from {{ ref('int_events_named') }} as named
    {% if is_incremental() %}
        inner join {{ ref('int_changed_batches') }} as changed_batches
            on date_trunc('minute', named.loaded_at) = changed_batches.batch_at
        where named.loaded_at >= {{ first_instant(ref('int_changed_batches'), 'batch_at') }}
    {% endif %}

),

-- a new delivery is compared with every earlier one of the same event
deliveries as (

    select {{ delivery_columns() }} from new_deliveries
    {% if is_incremental() %}
        union all
        select {{ delivery_columns() }} from {{ this }}
        where {{ is_delivered_again() }}
    {% endif %}

),

judged as (

    select
        deliveries.*,
        coalesce(deliveries.anonymous_id, deliveries.user_id) as actor_id,
        case
            when deliveries.event_id is null then 'missing_event_id'
            when deliveries.source_event_name is null then 'missing_event_name'
            when deliveries.event_at_text is null then 'missing_event_at'
            when deliveries.event_at is null then 'unreadable_event_at'
            when
                deliveries.event_at
                > {{ add_seconds('deliveries.loaded_at', var('future_tolerance_seconds')) }}
                then 'event_at_in_future'
            when deliveries.anonymous_id is null and deliveries.user_id is null
                then 'missing_identity'
            when not {{ is_json_object('deliveries.properties') }} then 'unreadable_properties'
            else 'missing_property:' || {{
                first_missing_property('deliveries.properties', 'catalog.required_properties')
            }}
        end as own_reason

    from deliveries
    left join catalog on deliveries.event_name = catalog.event_name

),

repeated_events as (

    select event_key
    from judged
    where own_reason is null
    group by event_key
    having count(*) > 1

),

-- of valid deliveries of one event the first to arrive is kept
repeats_ranked as (

    select
        *,
        {{ hash_id([
            'user_id', 'anonymous_id', 'source_event_name', 'event_at_text',
            'page_url', 'device_type', 'user_agent', 'properties', 'source',
        ]) }} as payload_hash

    from judged
    where
        own_reason is null
        and event_key in (select repeated_events.event_key from repeated_events)

),

repeats_judged as (

    select
        *,
        case
            when row_number() over same_event = 1 then null
            when payload_hash = first_value(payload_hash) over same_event then 'duplicate'
            else 'duplicate_with_other_payload'
        end as repeat_reason

    from repeats_ranked
    window same_event as (
        partition by event_id order by loaded_at, payload_hash, source_file, source_line
    )

),

verdicts as (

    select
        {{ delivery_columns() }},
        actor_id,
        own_reason as rejection_reason

    from judged
    where
        own_reason is not null
        or event_key not in (select repeated_events.event_key from repeated_events)

    union all

    select
        {{ delivery_columns() }},
        actor_id,
        repeat_reason as rejection_reason

    from repeats_judged

)

select
    {{ delivery_columns() }},
    actor_id,
    rejection_reason,
    '{{ plan_version() }}' as plan_version,
    {% if is_incremental() %}
        (select coalesce(max(state.revision), 0) + 1 from {{ this }} as state) as revision
    {% else %}
        cast(1 as bigint) as revision
    {% endif %}

from verdicts

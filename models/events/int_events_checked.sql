-- the verdict over every delivered event: rejection_reason is null for those that are accepted
with

events as (

    select * from {{ ref('int_events_named') }}

),

required_properties as (

    select
        event_name,
        property_name,
        data_type

    from {{ ref('event_properties') }}
    where is_required

),

fingerprinted as (

    select
        *,
        coalesce(anonymous_id, user_id) as actor_id,
        {{ hash_id([
            'user_id', 'anonymous_id', 'source_event_name', 'event_at_text',
            'page_url', 'device_type', 'user_agent', 'properties', 'source',
        ]) }} as payload_hash

    from events

),

checked as (

    select
        *,
        case
            when event_id is null then 'missing_event_id'
            when source_event_name is null then 'missing_event_name'
            when event_at_text is null then 'missing_event_at'
            when event_at is null then 'unreadable_event_at'
            when event_at > {{ add_seconds('loaded_at', var('future_tolerance_seconds')) }}
                then 'event_at_in_future'
            when actor_id is null then 'missing_identity'
            when not {{ is_json_object('properties') }} then 'unreadable_properties'
        end as format_reason

    from fingerprinted

),

-- the first property, by name, that the tracking plan demands and the event lacks
property_violations as (

    select
        checked.event_id,
        checked.payload_hash,
        min(required_properties.property_name) as property_name

    from checked
    inner join required_properties on checked.event_name = required_properties.event_name
    where
        checked.format_reason is null
        and case required_properties.data_type
            when 'number'
                then {{ try_number(json_field('checked.properties', 'property_name')) }} is null
            when 'boolean'
                then coalesce(
                    {{ json_field('checked.properties', 'property_name') }}
                    not in ('true', 'false'), true
                )
            else nullif({{ json_field('checked.properties', 'property_name') }}, '') is null
        end
    group by checked.event_id, checked.payload_hash

),

judged as (

    select
        checked.*,
        coalesce(
            checked.format_reason,
            'missing_property:' || property_violations.property_name
        ) as own_reason

    from checked
    left join property_violations
        on
            checked.event_id = property_violations.event_id
            and checked.payload_hash = property_violations.payload_hash

),

-- of valid deliveries of one event the first to arrive is kept
ranked as (

    select
        *,
        row_number() over same_event as arrival_rank,
        first_value(payload_hash) over same_event as kept_payload_hash

    from judged
    window same_event as (
        partition by event_id, own_reason is null
        order by loaded_at, payload_hash, source_file, source_line
    )

)

select
    event_id,
    actor_id,
    user_id,
    anonymous_id,
    event_name,
    source_event_name,
    event_at,
    event_at_text,
    page_url,
    device_type,
    user_agent,
    properties,
    category,
    is_in_catalog,
    is_interaction,
    is_milestone,
    is_key_cta,
    case
        when own_reason is not null then own_reason
        when arrival_rank > 1 and payload_hash = kept_payload_hash then 'duplicate'
        when arrival_rank > 1 then 'duplicate_with_other_payload'
    end as rejection_reason,
    source,
    source_file,
    source_line,
    loaded_at

from ranked

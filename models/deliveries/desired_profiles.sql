{{ config(materialized="view") }}

with

attribute_values as (

    select * from {{ ref('profile_values') }}

),

known_people as (

    select * from {{ ref('known_people') }}

),

attributes as (

    select * from {{ ref('profile_attributes') }}
    where is_enabled

),

held as (

    select * from {{ ref('held_fields') }}

),

owned as (

    select
        attributes.destination,
        attribute_values.user_key,
        attributes.destination_field as field_name,
        case
            when attributes.is_hashed then {{ hashed_value("attribute_values.attribute_value") }}
            else attribute_values.attribute_value
        end as field_value

    from attribute_values
    inner join attributes
        on attribute_values.attribute_name = attributes.attribute_name
    where attribute_values.attribute_value != 'null'

),

owned_or_held as (

    select
        coalesce(owned.destination, held.destination) as destination,
        coalesce(owned.user_key, held.user_key) as user_key,
        coalesce(owned.field_name, held.field_name) as field_name,
        owned.field_value

    from owned
    full outer join held
        on
            owned.destination = held.destination
            and owned.user_key = held.user_key
            and owned.field_name = held.field_name

)

-- only what is mapped is sent, and only what is sent is compared. What somebody had and lost is
-- null, and stays so: the platform takes it away once, and the payload is the same the next time.
-- A field that is no longer mapped is left as it is, but not forgotten: it may be mapped again.
select
    owned_or_held.destination,
    'profile' as kind,
    'profile' as object_key,
    owned_or_held.user_key,
    {{ json_object_agg(
        "attributes.destination_field", "coalesce(owned_or_held.field_value, 'null')"
    ) }} as payload,
    {{ json_array_of("'\"' || owned_or_held.field_name || '\"'") }} as field_names

from owned_or_held
inner join known_people
    on owned_or_held.user_key = known_people.user_key
left join attributes
    on
        owned_or_held.destination = attributes.destination
        and owned_or_held.field_name = attributes.destination_field
group by owned_or_held.destination, owned_or_held.user_key
having count(attributes.destination_field) > 0

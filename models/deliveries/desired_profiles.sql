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

)

-- only what is mapped is sent, and only what is sent is compared
select
    attributes.destination,
    'profile' as kind,
    'profile' as object_key,
    attribute_values.user_key,
    {{ json_object_agg(
        "attributes.destination_field",
        "case when attributes.is_hashed then " ~ hashed_value("attribute_values.attribute_value")
        ~ " else attribute_values.attribute_value end"
    ) }} as payload

from attribute_values
inner join known_people
    on attribute_values.user_key = known_people.user_key
inner join attributes
    on attribute_values.attribute_name = attributes.attribute_name
group by attributes.destination, attribute_values.user_key

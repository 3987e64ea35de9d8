{{ config(materialized="view") }}

with

members as (

    select * from {{ ref('audience_members') }}

),

known_people as (

    select * from {{ ref('known_people') }}

),

audiences as (

    select * from {{ ref('audiences') }}
    where is_enabled

)

select
    audiences.destination,
    'audience' as kind,
    members.audience_key as object_key,
    members.user_key,
    {{ json_object({"audience_key": "members.audience_key"}) }} as payload,
    cast(null as {{ dbt.type_string() }}) as field_names

from members
inner join known_people
    on members.user_key = known_people.user_key
inner join audiences
    on members.audience_key = audiences.audience_key

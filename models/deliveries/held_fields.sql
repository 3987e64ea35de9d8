{{ config(materialized="view") }}

with

known as (

    select * from {{ ref('sync_state') }}
    where kind = 'profile'

),

doubts as (

    select * from {{ ref('doubtful_operations') }}
    where kind = 'profile'

),

attributes as (

    select * from {{ ref('profile_attributes') }}

),

-- what perhaps arrived is perhaps held
said as (

    select
        destination,
        user_key,
        field_names
    from known
    union all
    select
        destination,
        user_key,
        field_names
    from doubts

)

select
    destination,
    user_key,
    {{ each_json_text('field_names') }} as field_name

from said
where field_names is not null

union distinct

-- earlier versions of Kairos did not note which fields they sent: it may have been any, also one
-- that is switched off since
select
    said.destination,
    said.user_key,
    attributes.destination_field as field_name

from said
inner join attributes
    on said.destination = attributes.destination
where said.field_names is null

-- an audience that no model gives would stay empty for ever, and of two rows for one place the one
-- would hide the other; `kairos doctor` finds these without a build, and more
with

audiences as (

    select * from {{ ref('audiences') }}
    where is_enabled

),

attributes as (

    select * from {{ ref('profile_attributes') }}
    where is_enabled

),

listed as (

    select '{{ model_names_of("audience_members") }}' as audience_keys

)

select
    'audiences.csv, ' || audiences.audience_key as place,
    'not listed in models/deliveries/audience_members.sql' as fault

from audiences
cross join listed
where listed.audience_keys not like '%|' || audiences.audience_key || '|%'

union all

select
    'audiences.csv, ' || audience_key as place,
    'twice to ' || destination as fault

from audiences
group by audience_key, destination
having count(*) > 1

union all

select
    'profile_attributes.csv, ' || destination_field as place,
    'twice to ' || destination as fault

from attributes
group by destination_field, destination
having count(*) > 1

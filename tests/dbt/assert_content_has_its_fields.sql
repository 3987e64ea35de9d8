-- a payload that no platform could show is found here, and not by the person who gets it
with

contents as (

    select * from {{ ref('content') }}

),

fields as (

    select * from {{ ref('content_fields') }}

),

required as (

    select
        contents.content_key,
        contents.segment,
        contents.arm,
        contents.payload,
        {{ required_properties('fields.field_name', 'fields.data_type') }} as required_fields

    from contents
    inner join fields on fields.content_key in ('*', contents.content_key)
    where fields.is_required
    group by contents.content_key, contents.segment, contents.arm, contents.payload

),

given as (

    select
        content_key,
        segment,
        arm,
        {{ each_json_name('payload') }} as field_name

    from contents
    where {{ is_json_object('payload') }}

),

faults as (

    select
        required.content_key,
        required.segment,
        required.arm,
        case
            when not {{ is_json_object('required.payload') }}
                then 'the payload is no JSON object'
            else 'missing, empty or of another type: ' || {{
                first_missing_property('required.payload', 'required.required_fields')
            }}
        end as fault

    from required

    union all

    select
        given.content_key,
        given.segment,
        given.arm,
        'not in content_fields.csv: ' || given.field_name as fault

    from given
    left join fields
        on
            given.field_name = fields.field_name
            and fields.content_key in ('*', given.content_key)
    where fields.field_name is null

)

select
    'seeds/content.csv, ' || content_key || ', ' || segment || ', ' || arm as place,
    fault

from faults
where fault is not null

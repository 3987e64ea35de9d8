with

candidates as (

    select * from {{ ref('candidate_facts') }}

),

known_people as (

    select * from {{ ref('known_people') }}

),

destinations as (

    select * from {{ ref('destinations') }}

),

-- the fallback row is the promise that nobody is without content
contents as (

    select content_key
    from {{ ref('content') }}
    where segment = '*' and arm = '*'
    group by content_key

),

judged as (

    select
        candidates.*,
        case
            when known_people.user_key is null then 'unknown_person'
            when candidates.moment_at is null or candidates.moment_at > {{ as_of() }}
                then 'impossible_moment'
            when candidates.tier_rank is null then 'unknown_trigger'
            when contents.content_key is null then 'no_content'
            when destinations.destination is null then 'unknown_destination'
        end as fault

    from candidates
    left join known_people
        on candidates.user_key = known_people.user_key
    left join contents
        on candidates.content_key = contents.content_key
    left join destinations
        on candidates.destination = destinations.destination

)

select
    decision_id,
    'data_valid' as gate_name,
    fault is null as is_passed,
    fault as reason,
    fault as blocked_by,
    cast(null as {{ dbt.type_timestamp() }}) as deferred_until,
    {{ json_object({
        "user_key": "user_key",
        "content_key": "content_key",
        "destination": "destination",
    }) }} as operands

from judged

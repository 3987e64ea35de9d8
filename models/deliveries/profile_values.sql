{{ config(materialized="view") }}

with

scores as (

    select
        user_key,
        band,
        row_number() over (
            partition by user_key order by scored_at desc, session_id asc, score asc
        ) as recency

    from {{ ref('intent_scores') }}
    where user_key is not null

),

signals as (

    select * from {{ ref('signals') }}
    where user_key is not null

),

people as (

    select * from {{ ref('users') }}

)

-- one row per person and attribute; the value is JSON text
select
    user_key,
    'intent_band' as attribute_name,
    '"' || band || '"' as attribute_value

from scores
where recency = 1

union all

select
    user_key,
    'onboarding_completed_at' as attribute_name,
    '"' || {{ iso_text('min(detected_at)') }} || '"' as attribute_value

from signals
where
    signal_name = 'milestone_reached'
    and {{ json_text('evidence', 'milestone') }} = 'onboarding_completed'
group by user_key

union all

select
    user_key,
    'failed_cta_count' as attribute_name,
    cast(count(*) as {{ dbt.type_string() }}) as attribute_value

from signals
where signal_name = 'cta_failure' and is_applicable
group by user_key

union all

select
    user_key,
    'email_hash' as attribute_name,
    '"' || email_hash || '"' as attribute_value

from people
where email_hash is not null

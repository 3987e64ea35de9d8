with

user_agents as (

    select * from {{ ref('int_user_agents') }}

),

patterns as (

    select string_agg(pattern, '|' order by pattern) as pattern
    from {{ ref('bot_user_agents') }}

)

select
    user_agents.user_agent,
    {{ regexp_found('lower(user_agents.user_agent)', 'patterns.pattern') }} as is_declared_bot

from user_agents
cross join patterns

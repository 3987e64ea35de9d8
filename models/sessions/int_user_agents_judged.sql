with

user_agents as (

    select distinct user_agent from {{ ref('events') }}
    where user_agent is not null

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

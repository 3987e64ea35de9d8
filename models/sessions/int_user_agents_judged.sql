{%- set patterns = inlined(
    "coalesce(string_agg(pattern, '|' order by pattern), 'x^')",
    ref('bot_user_agents'), "not is_exclusion"
) -%}
{%- set exclusions = inlined(
    "coalesce(string_agg(pattern, '|' order by pattern), 'x^')",
    ref('bot_user_agents'), "is_exclusion"
) -%}

with

user_agents as (

    select * from {{ ref('int_user_agents') }}

),

-- what browsers say of themselves that only sounds like a machine is not looked at
masked as (

    select
        user_agent,
        {{ regexp_masked('lower(user_agent)', exclusions) }} as masked_user_agent

    from user_agents

)

select
    user_agent,
    {{ regexp_found('masked_user_agent', patterns) }} as is_declared_bot

from masked

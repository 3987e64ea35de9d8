{{ config(materialized='incremental', incremental_strategy='append') }}

with

user_agents as (

    select distinct user_agent
    from {{ ref('int_events_checked') }}
    where
        rejection_reason is null
        and user_agent is not null
        and revision > {{ last_mark().revision if is_incremental() else 0 }}

)

select user_agent from user_agents
{% if is_incremental() %}
    where user_agent not in (select seen.user_agent from {{ this }} as seen)
{% endif %}

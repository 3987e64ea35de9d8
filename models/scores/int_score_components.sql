{{ config(materialized='incremental', instant='scored_at') }}

-- what each session's score is made of, at every instant at which one of its signals became true
with

measured as (

    select * from {{ ref('int_sessions_measured') }}
    where {{ session_changed('scored_at') }}

),

intent_models as (

    select * from {{ ref('intent_models') }}

),

active_model as (

    select * from {{ ref('intent_active_model') }}

),

components as (

    select
        session_id,
        scored_at,
        actor_id,
        user_key,
        'scroll' as component,
        case
            when not is_keyboard_only and longest_page_ratio > {{ var('short_page_ratio') }}
                then deepest_seen_pct
        end as measured_value
    from measured

    union all

    select
        session_id,
        scored_at,
        actor_id,
        user_key,
        'interaction_delay' as component,
        case when not is_keyboard_only then longest_silence_seconds end as measured_value
    from measured

    union all

    select
        session_id,
        scored_at,
        actor_id,
        user_key,
        'secondary_clicks' as component,
        case when not is_keyboard_only then secondary_click_count end as measured_value
    from measured

)

select
    components.session_id,
    components.scored_at,
    components.actor_id,
    components.user_key,
    intent_models.model_version,
    components.component,
    components.measured_value,
    intent_models.weight,
    -- the straight line from the value that counts nothing to the value that counts in full
    least(greatest(
        (components.measured_value - intent_models.value_at_zero)
        / nullif(1.0 * (intent_models.value_at_one - intent_models.value_at_zero), 0),
        0
    ), 1) as component_score

from components
inner join intent_models on components.component = intent_models.component
inner join active_model on intent_models.model_version = active_model.model_version
where components.measured_value is not null

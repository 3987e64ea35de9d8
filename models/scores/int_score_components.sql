{{ config(materialized='incremental', instant='scored_at') }}

-- what each session's score is made of, at every instant at which one of its signals became true
with

instants as (

    select distinct
        session_id,
        detected_at as scored_at

    from {{ ref('signals') }}
    where {{ session_changed('detected_at') }}

),

progress as (

    select * from {{ ref('int_session_progress') }}
    where {{ session_changed('event_at') }}

),

intent_models as (

    select * from {{ ref('intent_models') }}

),

active_model as (

    select * from {{ ref('intent_active_model') }}

),

-- the latest event at or before the instant says what was known then
latest as (

    select
        instants.session_id,
        instants.scored_at,
        max(progress.event_count) as event_count

    from instants
    inner join progress
        on
            instants.session_id = progress.session_id
            and instants.scored_at >= progress.event_at
    group by instants.session_id, instants.scored_at

),

measured as (

    select
        latest.session_id,
        latest.scored_at,
        progress.actor_id,
        progress.user_key,
        progress.deepest_seen_pct,
        progress.longest_page_ratio,
        progress.longest_gap_seconds,
        progress.last_interaction_at,
        progress.secondary_click_count,
        {{ elapsed_seconds('progress.last_interaction_at', 'latest.scored_at') }}
            as open_gap_seconds,
        progress.keyboard_count > 0 and progress.pointer_count = 0 as is_keyboard_only

    from latest
    inner join progress
        on
            latest.session_id = progress.session_id
            and latest.event_count = progress.event_count
    -- what becomes true days later, a set-up left alone say, is no moment of the session any more
    where
        {{ elapsed_seconds('progress.event_at', 'latest.scored_at') }}
        <= {{ var('longest_timer_seconds') }}

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
        case
            when not is_keyboard_only
                then greatest(coalesce(longest_gap_seconds, 0), coalesce(open_gap_seconds, 0))
        end as measured_value
    from measured
    where last_interaction_at is not null

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

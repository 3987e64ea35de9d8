{{ config(materialized='incremental', instant='bot_from_at') }}

with

progress as (

    select * from {{ ref('int_session_progress') }}
    where {{ session_changed('event_at') }}

),

declared as (

    select
        session_id,
        actor_id,
        'declared_user_agent' as reason,
        min(event_at) as from_at

    from progress
    where declared_bot_count > {{ var('bot_event_share') }} * event_count
    group by session_id, actor_id

),

automated as (

    select
        session_id,
        actor_id,
        'webdriver' as reason,
        min(event_at) as from_at

    from progress
    where webdriver_count > 0
    group by session_id, actor_id

),

rhythms as (

    select * from {{ ref('int_bot_rhythms') }}
    where {{ session_changed('from_at') }}

),

paths as (

    select * from {{ ref('int_bot_paths') }}
    where {{ session_changed('from_at') }}

),

evidence as (

    select * from declared
    union all
    select * from automated
    union all
    select
        session_id,
        actor_id,
        reason,
        from_at
    from rhythms
    union all
    select
        session_id,
        actor_id,
        reason,
        from_at
    from paths

)

select
    session_id,
    actor_id,
    min(from_at) as bot_from_at,
    string_agg(reason, ',' order by from_at, reason) as bot_reasons

from evidence
group by session_id, actor_id

{{ config(materialized='incremental', instant='bot_from_at') }}

-- events that name themselves a machine's speak against the session while they are more than a
-- share of all so far; how somebody moved and waited speaks against it for good
with

progress as (

    select * from {{ ref('int_session_progress') }}
    where {{ event_changed() }}

),

rhythms as (

    select * from {{ ref('int_bot_rhythms') }}
    where {{ session_changed('from_at') }}

),

paths as (

    select * from {{ ref('int_bot_paths') }}
    where {{ session_changed('from_at') }}

),

-- counts only grow: the highest of an instant is that of its last event
instants as (

    select
        session_id,
        actor_id,
        event_at,
        max(declared_bot_count) as declared_bot_count,
        max(webdriver_count) as webdriver_count,
        max(bot_like_count) > {{ var('bot_event_share') }} * max(event_count) as is_bot_like

    from progress
    where bot_like_count > 0
    group by session_id, actor_id, event_at

),

compared as (

    select
        *,
        coalesce(
            lag(is_bot_like) over (partition by session_id order by event_at), false
        ) as was_bot_like

    from instants

),

stretches as (

    select
        *,
        lead(event_at) over (partition by session_id order by event_at) as until_at

    from compared
    where is_bot_like != was_bot_like

)

{% for reason, count in [
    ('declared_user_agent', 'declared_bot_count'), ('webdriver', 'webdriver_count')
] %}
    select
        session_id,
        actor_id,
        '{{ reason }}' as reason,
        event_at as bot_from_at,
        until_at as bot_until_at

    from stretches
    where is_bot_like and {{ count }} > 0
    union all
{% endfor %}

{% for behaviour in ['rhythms', 'paths'] %}
    select
        session_id,
        actor_id,
        reason,
        from_at as bot_from_at,
        cast(null as {{ dbt.type_timestamp() }}) as bot_until_at

    from {{ behaviour }}
    {{ 'union all' if not loop.last }}
{% endfor %}

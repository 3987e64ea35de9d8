{{ config(materialized='incremental', instant='event_at') }}

-- what was known of a session at each of its events, and nothing that was learned later
with

session_events as (

    select * from {{ ref('session_events') }}
    where {{ event_changed() }}

),

user_agents as (

    select * from {{ ref('int_user_agents_judged') }}

),

classified as (

    select
        session_events.event_id,
        session_events.session_id,
        session_events.actor_id,
        session_events.user_key,
        session_events.is_known,
        session_events.event_at,
        session_events.mark_number,
        session_events.is_interaction,
        session_events.seen_pct,
        session_events.page_length_ratio,
        session_events.category in ('pointer', 'click') as is_pointer,
        -- a click without a pointer comes from a keyboard or from an assistive device
        session_events.category = 'keyboard'
        or (
            session_events.category = 'click'
            and coalesce({{ json_text('session_events.properties', 'detail') }} = '0', false)
        ) as is_keyboard,
        session_events.event_name = 'pointer_move' as is_pointer_move,
        session_events.event_name = 'click' as is_secondary_click,
        coalesce(user_agents.is_declared_bot, false) as is_declared_bot,
        {{ json_text('session_events.properties', 'webdriver') }} as webdriver

    from session_events
    left join user_agents on session_events.user_agent = user_agents.user_agent

),

preceded as (

    select
        *,
        -- trackers that do not say it of every event say it of the first
        coalesce(
            webdriver = 'true',
            max(case when webdriver = 'true' then 1 else 0 end) over earlier = 1,
            false
        ) as is_webdriver

    from classified
    window earlier as (
        partition by session_id order by event_at, event_id
        rows between unbounded preceding and 1 preceding
    )

),

known as (

    select
        event_id,
        session_id,
        actor_id,
        user_key,
        is_known,
        event_at,
        mark_number,
        is_interaction,

        -- attention
        sum(case when is_secondary_click then 1 else 0 end) over so_far as secondary_click_count,
        max(seen_pct) over so_far as deepest_seen_pct,
        max(page_length_ratio) over so_far as longest_page_ratio,

        -- modality
        sum(case when is_pointer and not is_keyboard then 1 else 0 end) over so_far
            as pointer_count,
        sum(case when is_keyboard then 1 else 0 end) over so_far as keyboard_count,

        -- evidence of a machine
        count(*) over so_far as event_count,
        sum(case when is_declared_bot then 1 else 0 end) over so_far as declared_bot_count,
        sum(case when is_webdriver then 1 else 0 end) over so_far as webdriver_count,
        sum(case when is_declared_bot or is_webdriver then 1 else 0 end) over so_far
            as bot_like_count,
        sum(case when is_pointer_move then 1 else 0 end) over so_far as pointer_move_count

    from preceded
    window so_far as (
        partition by session_id order by event_at, event_id
        rows between unbounded preceding and current row
    )

)

select * from known
-- a later run skips the blocks of the table that are older than every change
order by event_at, event_id

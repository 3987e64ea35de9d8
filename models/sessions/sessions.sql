{{ config(materialized='incremental', instant='ended_at') }}

with

session_events as (

    select * from {{ ref('session_events') }}
    where {{ session_changed('event_at') }}

),

page_views as (

    select * from {{ ref('page_views') }}
    where {{ session_changed('viewed_at') }}

),

-- what still holds at the end speaks of the whole session
bot_evidence as (

    select
        session_id,
        string_agg(reason, ',' order by bot_from_at, reason) as bot_reasons

    from {{ ref('session_bot_evidence') }}
    where bot_until_at is null and {{ session_changed('bot_from_at') }}
    group by session_id

),

progress as (

    select * from {{ ref('int_session_progress') }}
    where {{ session_changed('event_at') }}

),

summarised as (

    select
        session_id,
        actor_id,
        min(event_at) as started_at,
        max(event_at) as ended_at,
        count(*) as event_count

    from session_events
    group by session_id, actor_id

),

edges as (

    select
        session_id,
        user_key,
        device_type,
        page_url,
        row_number() over (partition by session_id order by event_at, event_id) as from_start,
        row_number() over (
            partition by session_id order by event_at desc, event_id desc
        ) as from_end

    from session_events

),

ends as (

    select
        session_id,
        max(case when from_end = 1 then user_key end) as user_key,
        max(case when from_start = 1 then device_type end) as device_type

    from edges
    where from_start = 1 or from_end = 1
    group by session_id

),

pages_ranked as (

    select
        *,
        row_number() over (partition by session_id order by viewed_at, page_view_id) as from_start,
        row_number() over (
            partition by session_id order by viewed_at desc, page_view_id desc
        ) as from_end

    from page_views

),

pages as (

    select
        session_id,
        count(*) as page_view_count,
        cast(sum(round(engaged_seconds * 1000)) as bigint) / 1000.0 as engaged_seconds,
        max(case when from_start = 1 then page_url end) as entry_page,
        max(case when from_end = 1 then page_url end) as exit_page

    from pages_ranked
    group by session_id

),

modality as (

    select
        session_id,
        max(pointer_count) as pointer_count,
        max(keyboard_count) as keyboard_count

    from progress
    group by session_id

)

select
    -- who
    summarised.session_id,
    summarised.actor_id,
    ends.user_key,

    -- when
    summarised.started_at,
    summarised.ended_at,

    -- how much
    summarised.event_count,
    coalesce(pages.page_view_count, 0) as page_view_count,
    coalesce(pages.engaged_seconds, 0) as engaged_seconds,

    -- how
    bot_evidence.session_id is not null as is_bot,
    bot_evidence.bot_reasons,
    case
        when modality.keyboard_count > 0 and modality.pointer_count = 0 then 'keyboard'
        when modality.keyboard_count > 0 and modality.pointer_count > 0 then 'mixed'
        when modality.pointer_count > 0 then 'pointer'
        else 'unknown'
    end as input_modality,
    ends.device_type,
    pages.entry_page,
    pages.exit_page

from summarised
inner join ends on summarised.session_id = ends.session_id
inner join modality on summarised.session_id = modality.session_id
left join pages on summarised.session_id = pages.session_id
left join bot_evidence on summarised.session_id = bot_evidence.session_id

{{ config(materialized='incremental', instant='ended_at') }}

with

session_events as (

    select * from {{ ref('session_events') }}
    where {{ event_changed() }}

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
    where {{ event_changed() }}

),

-- the running count of events says which is the last, so that no event needs to be sorted again
summarised as (

    select
        session_id,
        actor_id,
        min(event_at) as started_at,
        max(event_at) as ended_at,
        max(event_count) as event_count,
        max(pointer_count) as pointer_count,
        max(keyboard_count) as keyboard_count

    from progress
    group by session_id, actor_id

),

first_events as (

    select
        session_events.session_id,
        session_events.device_type

    from session_events
    inner join progress
        on
            session_events.session_id = progress.session_id
            and session_events.event_id = progress.event_id
    where progress.event_count = 1

),

last_events as (

    select
        progress.session_id,
        progress.user_key

    from progress
    inner join summarised
        on
            progress.session_id = summarised.session_id
            and progress.event_count = summarised.event_count

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

)

select
    -- who
    summarised.session_id,
    summarised.actor_id,
    last_events.user_key,

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
        when summarised.keyboard_count > 0 and summarised.pointer_count = 0 then 'keyboard'
        when summarised.keyboard_count > 0 and summarised.pointer_count > 0 then 'mixed'
        when summarised.pointer_count > 0 then 'pointer'
        else 'unknown'
    end as input_modality,
    first_events.device_type,
    pages.entry_page,
    pages.exit_page

from summarised
inner join first_events on summarised.session_id = first_events.session_id
inner join last_events on summarised.session_id = last_events.session_id
left join pages on summarised.session_id = pages.session_id
left join bot_evidence on summarised.session_id = bot_evidence.session_id
-- by time, so that a later run can skip most of history
order by summarised.started_at

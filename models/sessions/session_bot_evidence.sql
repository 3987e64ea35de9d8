{{ config(materialized='incremental', instant='bot_from_at') }}

with

progress as (

    select * from {{ ref('int_session_progress') }}
    where {{ session_changed('event_at') }}

),

judged as (

    select
        session_id,
        actor_id,
        event_at,
        declared_bot_count > {{ var('bot_event_share') }} * event_count as is_declared,
        webdriver_count > 0 as is_webdriver,
        -- no hand keeps time like this: gaps that vary by less than a twentieth, without a pointer
        step_gap_count >= {{ var('metronome_gap_count') }}
        and pointer_move_count = 0
        and step_gap_count * step_gap_total_ms2 - step_gap_total_ms * step_gap_total_ms
        < 0.0025 * step_gap_total_ms * step_gap_total_ms as is_metronomic

    from progress

),

evidence as (

    select
        session_id,
        actor_id,
        min(case when is_declared then event_at end) as declared_from_at,
        min(case when is_webdriver then event_at end) as webdriver_from_at,
        min(case when is_metronomic then event_at end) as metronomic_from_at

    from judged
    where is_declared or is_webdriver or is_metronomic
    group by session_id, actor_id

)

select
    session_id,
    actor_id,
    {{ earliest(['declared_from_at', 'webdriver_from_at', 'metronomic_from_at']) }}
        as bot_from_at,
    concat_ws(
        ',',
        case when declared_from_at is not null then 'declared_user_agent' end,
        case when webdriver_from_at is not null then 'webdriver' end,
        case when metronomic_from_at is not null then 'metronomic' end
    ) as bot_reasons

from evidence

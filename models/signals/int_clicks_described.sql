{{ config(materialized='incremental', instant='event_at') }}

-- clicks with where they fell and on what, and whether that can be judged at all
with

clicks as (

    select
        *,
        {{ json_text('properties', 'element_id') }} as element_id,
        lower({{ json_text('properties', 'element_kind') }}) as element_kind,
        {{ json_number('properties', 'x') }} as x_px,
        {{ json_number('properties', 'y') }} as y_px,
        coalesce({{ json_number('properties', 'viewport_scale') }}, 1) as viewport_scale,
        -- a click without a pointer comes from a keyboard or from an assistive device
        coalesce({{ json_text('properties', 'detail') }} = '0', false) as is_assistive

    from {{ ref('session_events') }}
    where
        {{ event_changed() }}
        and event_name = 'click'

),

element_kinds as (

    select * from {{ ref('element_kinds') }}

),

progress as (

    select * from {{ ref('int_session_progress') }}
    where {{ event_changed() }}

)

select
    clicks.session_id,
    clicks.island_id,
    clicks.actor_id,
    clicks.user_key,
    clicks.is_known,
    clicks.event_id,
    clicks.event_at,
    clicks.page_url,
    clicks.page_view_id,
    clicks.element_id,
    clicks.x_px,
    clicks.y_px,
    clicks.viewport_scale,
    clicks.is_assistive,
    {{ keyboard_only('progress') }} as is_keyboard_only,
    coalesce(element_kinds.is_rage_click_ignored, false) as is_rage_click_ignored,
    coalesce(element_kinds.is_dead_click_ignored, false) as is_dead_click_ignored

from clicks
inner join progress
    on
        clicks.session_id = progress.session_id
        and clicks.event_id = progress.event_id
left join element_kinds on clicks.element_kind = element_kinds.element_kind

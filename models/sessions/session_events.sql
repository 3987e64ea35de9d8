{{ config(materialized='incremental', instant='event_at') }}

with

session_spans as (

    select * from {{ ref('int_session_spans') }}
    where is_current and {{ session_changed('started_at') }}

),

accepted_events as (

    {{ events_of_changed_sessions() }}

),

identities as (

    select * from {{ ref('identities') }}

),

page_view_spans as (

    select * from {{ ref('int_page_view_spans') }}
    where {{ session_changed('viewed_at') }}

),

events as (

    select
        accepted_events.*,
        session_spans.session_id,
        session_spans.island_id

    from session_spans
    inner join accepted_events
        on
            session_spans.actor_id = accepted_events.actor_id
            and accepted_events.event_at between session_spans.started_at and session_spans.ended_at

),

identified as (

    select
        events.*,
        coalesce(events.user_id, identities.user_key, events.actor_id) as user_key,
        coalesce(events.user_id, identities.user_key) is not null as is_known

    from events
    left join identities
        on
            events.actor_id = identities.actor_id
            and events.event_at >= identities.known_from
            and (events.event_at < identities.known_until or identities.known_until is null)

),

parsed as (

    select
        *,
        {{ json_texts('properties', [
            'page_view_id', 'scroll_offset_max', 'pp_yoffset_max', 'viewport_height',
            'br_viewheight', 'doc_height',
        ]) }} as fields

    from identified

),

measured as (

    select
        *,
        fields[1] as own_page_view_id,
        coalesce({{ try_number('fields[2]') }}, {{ try_number('fields[3]') }})
            as scroll_offset_px,
        coalesce({{ try_number('fields[4]') }}, {{ try_number('fields[5]') }})
            as viewport_height_px,
        {{ try_number('fields[6]') }} as doc_height_px

    from parsed

)

select
    -- who
    measured.event_id,
    measured.session_id,
    measured.island_id,
    measured.actor_id,
    measured.user_key,
    measured.is_known,

    -- what
    measured.event_name,
    measured.event_at,
    coalesce(
        measured.own_page_view_id,
        -- two of one instant are two, though nothing happened on the first
        case
            when measured.event_name = 'page_view'
                then {{ hash_id(["'page_view'", 'measured.event_id']) }}
        end,
        page_view_spans.page_view_id
    ) as page_view_id,
    measured.page_url,
    measured.device_type,
    measured.user_agent,
    measured.source,
    measured.properties,
    measured.category,
    measured.is_interaction,
    measured.is_key_cta,

    -- how much of the page is seen: the viewport counts, and no tracker's outlier leaves 0 to 100
    case
        when
            measured.doc_height_px > 0
            and measured.viewport_height_px > 0
            and measured.scroll_offset_px is not null
            then least(
                100.0 * (greatest(measured.scroll_offset_px, 0) + measured.viewport_height_px)
                / measured.doc_height_px,
                100.0
            )
    end as seen_pct,
    measured.doc_height_px / nullif(measured.viewport_height_px, 0) as page_length_ratio,

    -- by which run, so that later models read only what it wrote
    {{ next_mark_number() }} as mark_number

from measured
left join page_view_spans
    on
        measured.session_id = page_view_spans.session_id
        -- what leaves a page at the very instant of the next one has not left the next one
        and case
            when measured.event_name = 'page_leave'
                then
                    (
                        measured.event_at > page_view_spans.viewed_at
                        or page_view_spans.is_carried
                    )
                    and coalesce(measured.event_at <= page_view_spans.next_viewed_at, true)
            else
                measured.event_at >= page_view_spans.viewed_at
                and coalesce(measured.event_at < page_view_spans.next_viewed_at, true)
        end

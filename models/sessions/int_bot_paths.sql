{{ config(materialized='incremental', instant='from_at') }}

-- when the pointer of a session first went as no hand moves it, one row per session and reason.
-- Fingers have no path, and a click with detail 0 has no pointer
with

session_events as (

    select * from {{ ref('session_events') }}
    where
        {{ event_changed() }}
        and category in ('pointer', 'click', 'scroll', 'keyboard')

),

sources as (

    select * from {{ ref('event_sources') }}

),

inputs as (

    select
        session_events.session_id,
        session_events.actor_id,
        session_events.event_id,
        session_events.event_at,
        coalesce(sources.sends_pointer_moves, false) as is_tracking_pointer,
        {{ epoch_ms('session_events.event_at') }} as at_ms,
        session_events.event_name = 'pointer_move' as is_move,
        session_events.event_name in ('click', 'pointer_down')
        and not coalesce({{ json_text('session_events.properties', 'detail') }} = '0', false)
        and not {{ is_touch('session_events') }} as is_press,
        session_events.event_name = 'click'
        and not coalesce({{ json_text('session_events.properties', 'detail') }} = '0', false)
        and not {{ is_touch('session_events') }} as is_click,
        session_events.category in ('scroll', 'keyboard')
        or {{ is_touch('session_events') }} as is_other_input,
        cast(round({{ json_number('session_events.properties', 'x') }}) as bigint) as x,
        cast(round({{ json_number('session_events.properties', 'y') }}) as bigint) as y

    from session_events
    left join sources on session_events.source = sources.source

),

preceded as (

    select
        *,
        at_ms - lag(at_ms) over timeline as gap_ms,
        x - lag(x) over timeline as dx,
        y - lag(y) over timeline as dy,
        coalesce(lag(is_move) over timeline, false) as is_after_move,
        lag(x) over timeline - lag(x, 2) over timeline as previous_dx,
        lag(y) over timeline - lag(y, 2) over timeline as previous_dy,
        coalesce(lag(is_move, 2) over timeline, false) as is_second_after_move

    from inputs
    window timeline as (partition by session_id order by event_at, event_id)

),

measured as (

    select
        *,
        -- one stretch of a path: from one position of the moving pointer to the next
        is_move and is_after_move and gap_ms between 1 and 1000 and dx * dx + dy * dy >= 25
            as is_stretch,
        is_move and is_after_move and is_second_after_move
        and dx * dx + dy * dy >= 900
        and previous_dx * previous_dx + previous_dy * previous_dy >= 900 as is_bend,
        cast(round(1000 * sqrt(dx * dx + dy * dy) / nullif(gap_ms, 0)) as bigint) as speed_px

    from preceded

),

classified as (

    select
        session_id,
        actor_id,
        event_id,
        event_at,
        is_tracking_pointer,
        is_move,
        is_press,
        is_other_input,
        -- a click elsewhere than before; on the same spot the pointer may well rest
        is_click and dx * dx + dy * dy > 2500 as is_unled_click,
        is_stretch,
        case when is_stretch then speed_px end as speed_px,
        is_stretch and dx * dx + dy * dy >= 10000 and speed_px > 20000 as is_instant,
        is_bend,
        -- the middle of three positions lies within 1.25 px of the line between the others
        is_bend
        and 16 * (previous_dx * dy - previous_dy * dx) * (previous_dx * dy - previous_dy * dx)
        <= 25 * (
            (previous_dx + dx) * (previous_dx + dx) + (previous_dy + dy) * (previous_dy + dy)
        ) as is_straight,
        case when is_press and is_after_move and gap_ms >= 20 then gap_ms end as reaction_ms,
        is_press and is_after_move and gap_ms between 2 and 30
        and dx = 0 and dy = 0
        and previous_dx * previous_dx + previous_dy * previous_dy >= 10000 as is_jump

    from measured

),

counted as (

    select
        session_id,
        actor_id,
        event_at,
        is_tracking_pointer,
        sum(case when is_move then 1 else 0 end) over so_far as move_count,
        sum(case when is_press then 1 else 0 end) over so_far as press_count,
        sum(case when is_unled_click then 1 else 0 end) over so_far as unled_click_count,
        sum(case when is_other_input then 1 else 0 end) over so_far as other_count,
        sum(case when is_stretch then 1 else 0 end) over so_far as stretch_count,
        sum(speed_px) over so_far as speed_px,
        sum(speed_px * speed_px) over so_far as speed_px2,
        sum(case when is_instant then 1 else 0 end) over so_far as instant_count,
        sum(case when is_bend then 1 else 0 end) over so_far as bend_count,
        sum(case when is_straight then 1 else 0 end) over so_far as straight_count,
        count(reaction_ms) over so_far as reaction_count,
        sum(reaction_ms) over so_far as reaction_ms,
        sum(reaction_ms * reaction_ms) over so_far as reaction_ms2,
        sum(case when is_jump then 1 else 0 end) over so_far as jump_count

    from classified
    window so_far as (
        partition by session_id order by event_at, event_id
        rows between unbounded preceding and current row
    )

),

judged as (

    select
        session_id,
        actor_id,
        event_at,
        bend_count >= 80 and 100 * straight_count >= 97 * bend_count as is_straight,
        stretch_count >= 50
        and 1.0 * stretch_count * speed_px2 < 1.04 * speed_px * speed_px as is_steady,
        (instant_count >= 20 and 10 * instant_count >= 9 * stretch_count)
        or (jump_count >= 10 and 10 * jump_count >= 9 * press_count) as is_teleporting,
        reaction_count >= 20
        and 1.0 * reaction_count * reaction_ms2 < 1.01 * reaction_ms * reaction_ms
            as is_reacting_evenly,
        unled_click_count >= 20
        and move_count = 0
        and other_count = 0
        and is_tracking_pointer as is_pointerless

    from counted

),

instants as (

    select
        session_id,
        actor_id,
        min(case when is_straight then event_at end) as straight_paths,
        min(case when is_steady then event_at end) as constant_speed,
        min(case when is_teleporting then event_at end) as teleporting,
        min(case when is_reacting_evenly then event_at end) as even_reactions,
        min(case when is_pointerless then event_at end) as no_pointer

    from judged
    where is_straight or is_steady or is_teleporting or is_reacting_evenly or is_pointerless
    group by session_id, actor_id

)

{% for reason in [
    'straight_paths', 'constant_speed', 'teleporting', 'even_reactions', 'no_pointer'
] %}
    select
        session_id,
        actor_id,
        '{{ reason }}' as reason,
        {{ reason }} as from_at

    from instants
    where {{ reason }} is not null
    {{ 'union all' if not loop.last }}
{% endfor %}

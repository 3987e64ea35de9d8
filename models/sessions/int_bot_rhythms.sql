{{ config(materialized='incremental', instant='from_at') }}

-- when the steps of a session first kept a time that no person keeps, one row per session and
-- reason. A step is what a person decides: no key held down, though it press a button again and
-- again, nothing that a click brings about, no pointer, no video that loops, no reload of a page
-- that refreshes itself. Sums are whole, so that their order does not matter
with

decisions as (

    select
        session_id,
        actor_id,
        event_id,
        event_at,
        event_name,
        category,
        page_url,
        category = 'navigation' as is_navigation,
        {{ epoch_ms('event_at') }} as at_ms,
        -- what a key presses, by itself or held down
        case
            when category = 'click' and {{ json_text('properties', 'detail') }} = '0'
                then coalesce({{ json_text('properties', 'element_id') }}, '')
        end as key_pressed_element

    from {{ ref('session_events') }}
    where
        {{ event_changed() }}
        and is_interaction
        and category not in ('keyboard', 'pointer', 'scroll', 'media')

),

compared as (

    select
        *,
        is_navigation and page_url = lag(page_url) over timeline as is_reload,
        category not in ('click', 'navigation')
        and event_name != lag(event_name) over timeline
        and at_ms - lag(at_ms) over timeline < 100 as is_consequence

    from decisions
    window timeline as (partition by session_id order by event_at, event_id)

),

chosen as (

    select
        *,
        key_pressed_element = lag(key_pressed_element) over timeline
        and at_ms - lag(at_ms) over timeline < 100 as is_key_repeat

    from compared
    where is_reload is not true and is_consequence is not true
    window timeline as (partition by session_id order by event_at, event_id)

),

steps as (

    select
        *,
        at_ms - lag(at_ms) over (partition by session_id order by event_at, event_id) as gap_ms

    from chosen
    where is_key_repeat is not true

),

-- hands beat an even time too, on a stepper say, but not slowly: quick steps prove nothing
counted as (

    select
        session_id,
        actor_id,
        event_at,
        count(gap_ms) over so_far as gap_count,
        sum(gap_ms) over so_far as elapsed_ms,
        max(gap_ms) over so_far as longest_ms,
        sum(case when is_navigation then 1 else 0 end) over so_far as navigation_count,
        sum(case when gap_ms >= 500 then 1 else 0 end) over so_far as slow_count,
        sum(case when gap_ms >= 500 then gap_ms else 0 end) over so_far as slow_ms,
        sum(case when gap_ms >= 500 then gap_ms * gap_ms else 0 end) over so_far as slow_ms2,
        sum(case when gap_ms >= 10000 then 1 else 0 end) over so_far as pause_count,
        sum(case when gap_ms >= 10000 then gap_ms else 0 end) over so_far as pause_ms,
        sum(case when gap_ms >= 10000 then gap_ms * gap_ms else 0 end) over so_far as pause_ms2

    from steps
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
        slow_count >= {{ var('metronome_gap_count') }}
        and 1.0 * slow_count * slow_ms2 < 1.0025 * slow_ms * slow_ms as is_metronomic,
        -- waits drawn between two bounds: the longest is soon known and hardly above the mean,
        -- where a person's longest is several times the mean
        (
            slow_count >= 40
            and (longest_ms - 500) * slow_count < 1.7 * (slow_ms - 500 * slow_count)
        )
        or (
            slow_count >= 100
            and (longest_ms - 500) * slow_count < 2.15 * (slow_ms - 500 * slow_count)
        )
        or (
            pause_count >= 30
            and (longest_ms - 10000) * pause_count < 1.6 * (pause_ms - 10000 * pause_count)
        ) as is_paced,
        pause_count >= 8
        and 1.0 * pause_count * pause_ms2 < 1.0025 * pause_ms * pause_ms as is_evenly_pausing,
        (gap_count >= 50 and elapsed_ms < 50 * gap_count)
        or (navigation_count >= 50 and elapsed_ms < 200 * navigation_count) as is_inhumanly_fast,
        elapsed_ms >= {{ 18 * 3600 * 1000 }}
        and longest_ms <= {{ var('session_gap_seconds') * 1000 }} as is_sleepless

    from counted

),

instants as (

    select
        session_id,
        actor_id,
        min(case when is_metronomic then event_at end) as metronomic,
        min(case when is_paced then event_at end) as paced,
        min(case when is_evenly_pausing then event_at end) as even_pauses,
        min(case when is_inhumanly_fast then event_at end) as inhuman_rate,
        min(case when is_sleepless then event_at end) as round_the_clock

    from judged
    where is_metronomic or is_paced or is_evenly_pausing or is_inhumanly_fast or is_sleepless
    group by session_id, actor_id

)

{% for reason in ['metronomic', 'paced', 'even_pauses', 'inhuman_rate', 'round_the_clock'] %}
    select
        session_id,
        actor_id,
        '{{ reason }}' as reason,
        {{ reason }} as from_at

    from instants
    where {{ reason }} is not null
    {{ 'union all' if not loop.last }}
{% endfor %}

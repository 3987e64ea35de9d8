{#- Whether a message that was sent still fills a limit's window at the moment of deciding. A rolling window
    is half-open: what was sent exactly a window ago no longer counts. It looks both ways, so that a
    backfill decided before messages that are already out cannot squeeze in beside them. -#}
{% macro is_within_window(limit_row, sent_at, now, zone) -%}
(
    {{ limit_row }}.window_kind in ('session', 'lifetime')
    or (
        {{ limit_row }}.window_kind = 'rolling'
        and abs({{ elapsed_seconds(sent_at, now) }}) < {{ limit_row }}.window_seconds
    )
    or (
        {{ limit_row }}.window_kind = 'calendar_day'
        and date_trunc('day', {{ wall_clock(sent_at, zone) }})
        = date_trunc('day', {{ wall_clock(now, zone) }})
    )
    or (
        {{ limit_row }}.window_kind = 'calendar_week'
        and date_trunc('week', {{ wall_clock(sent_at, zone) }})
        = date_trunc('week', {{ wall_clock(now, zone) }})
    )
)
{%- endmacro %}


{#- States of an operation that never reached anybody and never will: they give the place under a cap back.
    A bounce is no such state: the person was approached. -#}
{% macro gives_back(state) -%}
{{ state }} in ('rejected', 'invalid', 'suppressed')
{%- endmacro %}

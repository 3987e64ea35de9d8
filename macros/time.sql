{#- Whole milliseconds since 1970-01-01 of a naive UTC timestamp. -#}
{% macro epoch_ms(instant) -%}
{{ return(adapter.dispatch("epoch_ms")(instant)) }}
{%- endmacro %}

{% macro default__epoch_ms(instant) -%}
epoch_ms({{ instant }})
{%- endmacro %}

{% macro postgres__epoch_ms(instant) -%}
cast(floor(extract(epoch from {{ instant }}) * 1000) as bigint)
{%- endmacro %}

{% macro spark__epoch_ms(instant) -%}
unix_millis({{ instant }})
{%- endmacro %}


{#- Seconds from one instant to another, to the millisecond; never a count of calendar boundaries. -#}
{% macro elapsed_seconds(start, finish) -%}
(({{ epoch_ms(finish) }} - {{ epoch_ms(start) }}) / 1000.0)
{%- endmacro %}


{#- The instant some seconds later; fractions of a second survive. -#}
{% macro add_seconds(instant, seconds) -%}
{{ return(adapter.dispatch("add_seconds")(instant, seconds)) }}
{%- endmacro %}

{% macro default__add_seconds(instant, seconds) -%}
({{ instant }} + to_milliseconds(cast(round(({{ seconds }}) * 1000.0) as bigint)))
{%- endmacro %}

{% macro postgres__add_seconds(instant, seconds) -%}
({{ instant }} + ({{ seconds }}) * interval '1 second')
{%- endmacro %}

{% macro spark__add_seconds(instant, seconds) -%}
timestamp_millis(unix_millis({{ instant }}) + cast(round(({{ seconds }}) * 1000.0) as bigint))
{%- endmacro %}


{#- ISO 8601 text to a naive UTC timestamp; an offset is honoured, text without one is UTC.
    What cannot be read is null, never an error. -#}
{% macro parse_timestamp(text) -%}
{{ return(adapter.dispatch("parse_timestamp")(text)) }}
{%- endmacro %}

{% macro default__parse_timestamp(text) -%}
timezone('UTC', try_cast({{ text }} as timestamptz))
{%- endmacro %}

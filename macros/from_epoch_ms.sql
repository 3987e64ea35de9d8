{#- Milliseconds since 1970-01-01 as a naive UTC timestamp. -#}
{% macro from_epoch_ms(milliseconds) -%}
{{ add_seconds("timestamp '1970-01-01 00:00:00'", "(" ~ milliseconds ~ ") / 1000.0") }}
{%- endmacro %}

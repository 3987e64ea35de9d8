{#- 'HH:MM' as seconds since midnight. -#}
{% macro seconds_of_day(time_text) -%}
(
    3600 * cast(substr({{ time_text }}, 1, 2) as integer)
    + 60 * cast(substr({{ time_text }}, 4, 2) as integer)
)
{%- endmacro %}

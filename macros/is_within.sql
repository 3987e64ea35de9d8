{#- Whether something happened at or after an instant, and less than so many seconds after it. -#}
{% macro is_within(seconds, of, happened_at) -%}
({{ happened_at }} >= {{ of }} and {{ elapsed_seconds(of, happened_at) }} < {{ seconds }})
{%- endmacro %}

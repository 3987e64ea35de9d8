{#- Whether an event came from a finger: its pointer says so, else the kind of device. -#}
{% macro is_touch(event) -%}
coalesce(
    {{ json_text(event ~ '.properties', 'pointer_type') }} = 'touch',
    lower({{ event }}.device_type) in ('mobile', 'phone', 'smartphone', 'tablet'),
    false
)
{%- endmacro %}

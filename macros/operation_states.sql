{#- The platform has it: nothing is left to do. -#}
{% macro is_acknowledged(state) -%}
{{ state }} in ('accepted', 'delivered', 'shown')
{%- endmacro %}


{#- It may or may not have arrived: the answer never came, or the sender died. -#}
{% macro is_in_doubt(state) -%}
{{ state }} in ('in_flight', 'unknown')
{%- endmacro %}

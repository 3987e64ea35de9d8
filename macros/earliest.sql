{#- The earliest of several instants; a null does not count, and all null gives null. -#}
{% macro earliest(instants) -%}
{{ return(adapter.dispatch("earliest")(instants)) }}
{%- endmacro %}

{% macro default__earliest(instants) -%}
least({{ instants | join(", ") }})
{%- endmacro %}

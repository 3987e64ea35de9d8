{#- Text with every occurrence of a pattern replaced by `&`, which no pattern of ours looks for. -#}
{% macro regexp_masked(text, pattern) -%}
{{ return(adapter.dispatch("regexp_masked")(text, pattern)) }}
{%- endmacro %}

{% macro default__regexp_masked(text, pattern) -%}
regexp_replace({{ text }}, {{ pattern }}, '&', 'g')
{%- endmacro %}

{% macro postgres__regexp_masked(text, pattern) -%}
regexp_replace({{ text }}, replace({{ pattern }}, '\b', '\y'), '&', 'g')
{%- endmacro %}

{% macro spark__regexp_masked(text, pattern) -%}
regexp_replace({{ text }}, {{ pattern }}, '&')
{%- endmacro %}

{#- Text with every occurrence of a pattern replaced by `&`. A pattern may ask that there be none: `[^&]*`. -#}
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

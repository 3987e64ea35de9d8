{#- What the first group of a pattern captured at its first occurrence; null where it does not occur. -#}
{% macro regexp_captured(text, pattern) -%}
{{ return(adapter.dispatch("regexp_captured")(text, pattern)) }}
{%- endmacro %}

{% macro default__regexp_captured(text, pattern) -%}
nullif(regexp_extract({{ text }}, {{ pattern }}, 1), '')
{%- endmacro %}

{% macro postgres__regexp_captured(text, pattern) -%}
substring({{ text }} from {{ pattern }})
{%- endmacro %}

{#- Whether a pattern occurs anywhere in text. Patterns are those that RE2 can run: no look-around. -#}
{% macro regexp_found(text, pattern) -%}
{{ return(adapter.dispatch("regexp_found")(text, pattern)) }}
{%- endmacro %}

{% macro default__regexp_found(text, pattern) -%}
regexp_matches({{ text }}, {{ pattern }})
{%- endmacro %}

{% macro postgres__regexp_found(text, pattern) -%}
({{ text }} ~ replace({{ pattern }}, '\b', '\y'))
{%- endmacro %}

{% macro spark__regexp_found(text, pattern) -%}
({{ text }} rlike {{ pattern }})
{%- endmacro %}

{#- An instant (naive UTC) as ISO 8601 text to the millisecond, for payloads; never for ids. -#}
{% macro iso_text(instant) -%}
{{ return(adapter.dispatch("iso_text")(instant)) }}
{%- endmacro %}

{% macro default__iso_text(instant) -%}
strftime({{ instant }}, '%Y-%m-%dT%H:%M:%S.%gZ')
{%- endmacro %}

{% macro postgres__iso_text(instant) -%}
to_char({{ instant }}, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
{%- endmacro %}

{% macro spark__iso_text(instant) -%}
date_format({{ instant }}, "yyyy-MM-dd'T'HH:mm:ss.SSS'Z'")
{%- endmacro %}

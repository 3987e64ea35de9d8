{#- A whole number of 64 bits that stands for some values within one run; never an id. Should two things ever
    share a number, a limit would count them together, and so be too strict, never too lax. -#}
{% macro hash_number(parts) -%}
{{ return(adapter.dispatch("hash_number")(parts)) }}
{%- endmacro %}

{% macro default__hash_number(parts) -%}
hash({{ parts | join(', ') }})
{%- endmacro %}

{% macro postgres__hash_number(parts) -%}
hashtextextended(concat_ws('|', {{ parts | join(', ') }}), 0)
{%- endmacro %}

{% macro spark__hash_number(parts) -%}
xxhash64({{ parts | join(', ') }})
{%- endmacro %}

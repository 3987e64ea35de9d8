{#- The value with the highest rank among those that are known; null only where none is. -#}
{% macro latest_known(value, rank) -%}
{{ return(adapter.dispatch("latest_known")(value, rank)) }}
{%- endmacro %}

{% macro default__latest_known(value, rank) -%}
arg_max({{ value }}, {{ rank }}) filter (where {{ value }} is not null)
{%- endmacro %}

{% macro postgres__latest_known(value, rank) -%}
(array_agg({{ value }} order by {{ rank }} desc) filter (where {{ value }} is not null))[1]
{%- endmacro %}

{% macro spark__latest_known(value, rank) -%}
max_by({{ value }}, {{ rank }}) filter (where {{ value }} is not null)
{%- endmacro %}

{#- The "now" of every model: one literal for the whole run, so that a run can be repeated.
    Naive UTC. `--vars 'as_of: "2026-01-31 12:00:00"'` moves it. -#}
{% macro as_of() -%}
timestamp '{{ as_of_text() }}'
{%- endmacro %}

{% macro as_of_text() -%}
{{ return(var("as_of") or run_started_at.strftime("%Y-%m-%d %H:%M:%S.%f")) }}
{%- endmacro %}

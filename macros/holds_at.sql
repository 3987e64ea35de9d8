{#- Whether a row with effective_from and effective_until holds at an instant; half-open. -#}
{% macro holds_at(row, instant) -%}
({{ instant }} >= {{ row }}.effective_from
and ({{ instant }} < {{ row }}.effective_until or {{ row }}.effective_until is null))
{%- endmacro %}

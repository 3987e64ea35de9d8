{#- Gates are written before the decision that they explain. If the run dies in between, their candidates are
    decided again by the next run: what the dead one left is no part of any decision. -#}
{% macro forget_gates_without_decision() -%}
{%- set gates = relation_before_run('decision_gates') -%}
{%- set decisions = relation_before_run('trigger_decisions') -%}
{%- if execute and gates -%}
delete from {{ gates }}
{%- if decisions %}
where not exists (
    select 1
    from {{ decisions }} as decisions
    where
        decisions.decision_id = {{ gates.identifier }}.decision_id
        and decisions.decided_at = {{ gates.identifier }}.decided_at
)
{%- endif -%}
{%- else -%}
select 1
{%- endif -%}
{%- endmacro %}

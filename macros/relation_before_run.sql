{#- The relation of a model as it stands before this run; none on the first run. For the one loop that ref()
    cannot close: decisions read the decisions before them. -#}
{% macro relation_before_run(model_name) -%}
{{ return(load_relation(api.Relation.create(
    database=target.database, schema=target.schema, identifier=model_name
))) }}
{%- endmacro %}

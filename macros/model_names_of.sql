{#- The names of the models that a model reads, between bars. -#}
{% macro model_names_of(model_name) -%}
{%- if execute -%}
{%- for node in graph.nodes.values() if node.name == model_name -%}
|{% for parent in node.depends_on.nodes %}{{ parent.split('.')[-1] }}|{% endfor %}
{%- endfor -%}
{%- endif -%}
{%- endmacro %}

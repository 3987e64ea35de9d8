{#- A single value of a table of configuration, `expression` over its rows. DuckDB compiles a regular expression
    once for a whole query only when the pattern is a constant, and once per row otherwise: 4 ms each for
    the patterns of bots. So there the value is read first and stands in the SQL as a literal. -#}
{% macro inlined(expression, relation, condition) -%}
{{ return(adapter.dispatch("inlined")(expression, relation, condition)) }}
{%- endmacro %}

{% macro default__inlined(expression, relation, condition) -%}
(select {{ expression }} from {{ relation }} where {{ condition }})
{%- endmacro %}

{#- A unit test gives rows and no table to read first; what is only compiled may have none yet. -#}
{% macro duckdb__inlined(expression, relation, condition) -%}
{%- if execute and flags.WHICH in ("run", "build", "compile")
    and not relation.identifier.startswith("__dbt__cte__")
    and load_relation(relation) is not none -%}
    {%- set found = run_query(
        "select " ~ expression ~ " from " ~ relation ~ " where " ~ condition
    ) -%}
    {{ return("'" ~ found.rows[0][0] | replace("'", "''") ~ "'") }}
{%- else -%}
    {{ return(default__inlined(expression, relation, condition)) }}
{%- endif -%}
{%- endmacro %}

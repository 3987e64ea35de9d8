{#-
How DuckDB gets its tables and views. It changes them inside transactions like rows, so one statement takes
the place of an old table, and a view whose definition is what it was can stay.
-#}

{% materialization table, adapter="duckdb" %}
    {%- set existing = load_cached_relation(this) -%}
    {%- set table = this.incorporate(type="table") -%}
    {%- set successor = make_intermediate_relation(table) -%}

    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}
    {%- call statement("main") -%}
        {{ create_table_as(False, successor, sql) }}
        {{ dropped(existing) }}
        alter table {{ successor }} rename to {{ adapter.quote(table.identifier) }}
    {%- endcall -%}
    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {%- do persist_docs(table, model) -%}
    {%- do adapter.commit() -%}
    {{ run_hooks(post_hooks, inside_transaction=False) }}

    {{ return({"relations": [table]}) }}
{% endmaterialization %}


{% materialization view, adapter="duckdb" %}
    {%- set existing = load_cached_relation(this) -%}
    {%- set view = this.incorporate(type="view") -%}
    {%- set definition = view_definition(sql) -%}

    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}
    {%- if not flags.FULL_REFRESH and definitions_of_relations().get(this.identifier) == definition -%}
        {%- call noop_statement("main", "KEPT", "CREATE VIEW") -%}{{ sql }}{%- endcall -%}
    {%- else -%}
        {%- call statement("main") -%}
            {{ dropped(existing) }}
            {{ get_create_view_as_sql(view, sql) }}
            comment on view {{ view }} is '{{ definition }}'
        {%- endcall -%}
    {%- endif -%}
    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {%- do persist_docs(view, model) -%}
    {%- do adapter.commit() -%}
    {{ run_hooks(post_hooks, inside_transaction=False) }}

    {{ return({"relations": [view]}) }}
{% endmaterialization %}


{%- macro dropped(relation) -%}
{%- if relation is not none -%}
drop {{ relation.type }} if exists {{ relation }};
{%- endif -%}
{%- endmacro -%}


{#- What a view is made from. A view knows its columns only as they were when it was made, so it counts
    as another one whenever any model is another one. -#}
{%- macro view_definition(sql) -%}
{{ return(local_md5(sql ~ models_version())) }}
{%- endmacro -%}


{%- macro models_version() -%}
{%- set checksums = [] -%}
{%- for node in graph.nodes.values()
    if node.resource_type in ("model", "seed") -%}
    {%- do checksums.append(node.unique_id ~ node.checksum.checksum) -%}
{%- endfor -%}
{{ return(local_md5(checksums | sort | join("\n"))) }}
{%- endmacro -%}


{#- The definition of each view and table as its comment keeps it, by name. -#}
{%- macro definitions_of_relations() -%}
{%- set definitions = {} -%}
{%- for row in answer(
    "select name, comment from ("
    ~ "select view_name as name, comment, database_name, schema_name from duckdb_views() union all "
    ~ "select table_name, comment, database_name, schema_name from duckdb_tables()) as relations "
    ~ "where database_name = '" ~ this.database ~ "' and schema_name = '" ~ this.schema
    ~ "' and comment is not null"
) -%}
    {%- do definitions.update({row[0]: row[1]}) -%}
{%- endfor -%}
{{ return(definitions) }}
{%- endmacro -%}

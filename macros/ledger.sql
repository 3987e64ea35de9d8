{#-
Tables that follow the ledger: a run reads what came since the last one.

The ledger numbers its changes once and in order, and its copy grows in that order. So a change that a table
was not made of has a higher number than all that it was made of; or it was there already, but came from a
later instant than the run's. The table itself thus says how far it got, and a run that fails or is killed
leaves the next one to take up where it stopped.
-#}

{%- macro ledger_strategies() -%}
{{ return(["replace_operations", "replace_state"]) }}
{%- endmacro -%}


{#- In an incremental model: whether a row of the ledger is one that the table was perhaps not made of. -#}
{%- macro is_not_taken(sequence="ledger_sequence") -%}
{%- if is_incremental() -%}
(
    {{ sequence }} > cast({{ highest_taken("ledger_sequence", "-1") }} as bigint)
    or loaded_at > cast({{ highest_taken("loaded_at", "0001-01-01") }} as timestamp)
)
{%- else -%}
true
{%- endif -%}
{%- endmacro -%}


{#- What the table had before this run, as a literal: the engine can skip what earlier runs read, and knows
    how little is left. -#}
{%- macro highest_taken(column, of_nothing) -%}
{%- set highest -%}
select coalesce(cast(max({{ column }}) as varchar), '{{ of_nothing }}') from {{ this }}
{%- endset -%}
{%- if var("is_state_looked_up") -%}({{ highest }}){%- else -%}'{{ answer(highest)[0][0] }}'{%- endif -%}
{%- endmacro -%}


{#- In an incremental model: the people and objects of which an operation was not taken. -#}
{%- macro changed_keys() -%}
select distinct destination, kind, object_key, user_key from {{ ref("sync_operations") }}
where {{ is_not_taken() }}
{%- endmacro -%}


{%- macro is_of_key(row, key) -%}
{{ row }}.destination = {{ key }}.destination
and {{ row }}.kind = {{ key }}.kind
and {{ row }}.object_key = {{ key }}.object_key
and {{ row }}.user_key = {{ key }}.user_key
{%- endmacro -%}


{#- dbt's own question. A table that follows the ledger is also made anew where other SQL made it, of an
    earlier version, say: its rows are what that SQL said of them. Where it is only compiled, no state is
    read. -#}
{%- macro should_full_refresh() -%}
{%- if config.get("incremental_strategy") in ledger_strategies() and (
    not is_running() or definitions_of_relations().get(this.identifier) != table_definition()
) -%}
    {{ return(true) }}
{%- endif -%}
{{ return(dbt.should_full_refresh()) }}
{%- endmacro -%}


{#- After such a table was built: what it was made from, as a comment. -#}
{%- macro keep_definition() -%}
comment on table {{ this }} is '{{ table_definition() }}'
{%- endmacro -%}


{#- What a table that follows the ledger is made from: its SQL, that of the models that it reads, and the
    macros in them. -#}
{%- macro table_definition() -%}
{%- if not is_running() -%}{{ return("") }}{%- endif -%}
{%- set parts = [] -%}
{%- set macro_texts = {} -%}
{%- set pending = [model.unique_id] -%}
{%- for _ in graph.nodes if pending -%}
    {%- set node = graph.nodes[pending.pop()] -%}
    {%- do parts.append(node.unique_id ~ node.checksum.checksum) -%}
    {%- do collect_macros(node.depends_on.macros, macro_texts) -%}
    {%- do pending.extend(
        node.depends_on.nodes | select("in", graph.nodes) | list
    ) -%}
{%- endfor -%}
{{ return(local_md5((parts + (macro_texts.values() | list)) | sort | join("\n"))) }}
{%- endmacro -%}


{#- The latest instant from which the ledger's rows were taken, as text, and whether it is later than this
    run's; nothing where none was. -#}
{%- macro ledger_taken() -%}
{%- set operations = load_relation(earlier_state("stg_ledger__sync_operations")) -%}
{%- if operations is none or not operations.is_table -%}{{ return({"is_later": false}) }}{%- endif -%}
{%- set row = answer(
    "select cast(max(loaded_at) as " ~ dbt.type_string() ~ "), max(loaded_at) > " ~ as_of()
    ~ " from " ~ operations
)[0] -%}
{{ return({"until": row[0], "is_later": row[1]}) }}
{%- endmacro -%}

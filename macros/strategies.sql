{#-
How an incremental model replaces what changed. `temp_relation` holds the rows that this run computed; the
rows that they replace are deleted first, in the same transaction.
-#}

{#- Judged deliveries: whole batches, and every other delivery of the same events. -#}
{% macro get_incremental_replace_deliveries_sql(arg_dict) %}
    delete from {{ arg_dict["target_relation"] }}
    where {{ is_delivered_again() }};
    {{ get_incremental_replace_batches_sql(arg_dict) }}
{% endmacro %}


{#- What is read off deliveries: whole batches. -#}
{% macro get_incremental_replace_batches_sql(arg_dict) %}
    delete from {{ arg_dict["target_relation"] }}
    where
        batch_at in (
            select batches.batch_at from {{ ref("int_changed_batches") }} as batches
        )
        and batch_at >= {{ first_instant(ref("int_changed_batches"), "batch_at") }};
    {{ insert_computed(arg_dict) }}
{% endmacro %}


{#- Session spans: by their id; one that is gone comes in the new rows as retired. -#}
{% macro get_incremental_replace_spans_sql(arg_dict) %}
    delete from {{ arg_dict["target_relation"] }}
    where session_id in (select replaced.session_id from {{ arg_dict["temp_relation"] }} as replaced);
    {{ insert_computed(arg_dict) }}
{% endmacro %}


{#- Identities: all rows of the actors of changed sessions. -#}
{% macro get_incremental_replace_actors_sql(arg_dict) %}
    delete from {{ arg_dict["target_relation"] }}
    where actor_id in (select replaced.actor_id from {{ arg_dict["temp_relation"] }} as replaced);
    {{ insert_computed(arg_dict) }}
{% endmacro %}


{#- Whatever is computed session by session: all rows that earlier runs made of changed sessions. Most of
    those are new, so there is less to look through than by the sessions themselves. The model's `instant`
    is a column that lies between the start of the session and the last timer of its island. -#}
{% macro get_incremental_replace_sessions_sql(arg_dict) %}
    delete from {{ arg_dict["target_relation"] }}
    where
        session_id in (
            select known.session_id from {{ ref("int_changed_sessions") }} as known
            where known.known_from is not null
        )
        and {{ in_known_periods(config.require("instant")) }};
    {{ insert_computed(arg_dict) }}
{% endmacro %}


{#- What looks across the sessions of a person: all rows of the people whom something changed for. -#}
{% macro get_incremental_replace_people_sql(arg_dict) %}
    delete from {{ arg_dict["target_relation"] }}
    where {{ person_changed() }};
    {{ insert_computed(arg_dict) }}
{% endmacro %}


{#- Operations: by their id, unless the change that came was overtaken by one that is there. -#}
{% macro get_incremental_replace_operations_sql(arg_dict) %}
    delete from {{ arg_dict["temp_relation"] }} as computed
    where
        exists (
            select 1 from {{ arg_dict["target_relation"] }} as held
            where
                held.operation_id = computed.operation_id
                and held.ledger_sequence > computed.ledger_sequence
        );
    delete from {{ arg_dict["target_relation"] }}
    where
        operation_id in (
            select computed.operation_id from {{ arg_dict["temp_relation"] }} as computed
        );
    {{ insert_computed(arg_dict) }}
{% endmacro %}


{#- What is acknowledged: by person and object, also where nothing is any more. -#}
{% macro get_incremental_replace_state_sql(arg_dict) %}
    delete from {{ arg_dict["target_relation"] }} as held
    where
        exists (
            select 1 from ({{ changed_keys() }}) as changed where {{ is_of_key("held", "changed") }}
        );
    {{ insert_computed(arg_dict) }}
{% endmacro %}


{% macro insert_computed(arg_dict) %}
    {%- set columns = arg_dict["dest_columns"] | map(attribute="quoted") | join(", ") %}
    insert into {{ arg_dict["target_relation"] }} ({{ columns }})
    select {{ columns }} from {{ arg_dict["temp_relation"] }};
{% endmacro %}

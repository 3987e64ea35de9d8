{#-
The incremental half of the line, in one place.

A run reads only what changed since the last run in which every model succeeded. That run left a mark: the
highest revision of judged deliveries that it saw, its as_of, and the version of the configuration. A run
that fails or is killed leaves no mark, so the next one does its work again; doing it twice changes nothing.
-#}

{#- dbt's own question, which a test that plays many small runs answers without a warehouse. -#}
{%- macro is_incremental() -%}
{%- if var("is_state_looked_up") -%}
    {{ return(execute and model.config.materialized == "incremental"
        and model.config.incremental_strategy != "append") }}
{%- endif -%}
{{ return(dbt.is_incremental()) }}
{%- endmacro -%}


{#- Whether models are being built. When they are only compiled, to be linted say, or run on the given rows
    of a unit test, for which dbt shows no graph, no state is read. -#}
{%- macro is_running() -%}
{{ return(execute and flags.WHICH in ("run", "build") and graph.nodes is defined) }}
{%- endmacro -%}


{%- macro line_marks() -%}
{{ return(api.Relation.create(
    database=target.database, schema=target.schema, identifier="line_marks", type="table"
)) }}
{%- endmacro -%}


{#- Before the first model: make room for marks, forget them where everything is built anew, and refuse to
    go back in time, because what was loaded since cannot be taken out of the tables again. -#}
{%- macro start_line() -%}
{%- if is_running() -%}
    {%- do run_query("create schema if not exists " ~ target.schema) -%}
    {%- do run_query(
        "create table if not exists " ~ line_marks() ~ " ("
        ~ "mark_number bigint, revision bigint, as_of timestamp, configuration_version "
        ~ dbt.type_string() ~ ")"
    ) -%}
    {#- a warehouse of the first version lacks it, and the run that adds it reads it -#}
    {%- do run_query(
        "alter table if exists " ~ earlier_state("int_session_spans")
        ~ " add column if not exists known_until timestamp"
    ) -%}
    {%- if flags.FULL_REFRESH -%}
        {%- do run_query("delete from " ~ line_marks()) -%}
    {%- else -%}
        {%- set mark = last_mark() -%}
        {%- set ledger = ledger_taken() -%}
        {%- if mark.is_later -%}
            {%- do refuse("the last run, which was at " ~ mark.as_of | replace("timestamp ", "")) -%}
        {%- elif ledger.is_later -%}
            {%- do refuse("a run that read what the ledger knew at '" ~ ledger.until ~ "'") -%}
        {%- endif -%}
    {%- endif -%}
{%- endif -%}
{%- endmacro -%}


{%- macro refuse(run) -%}
{%- do exceptions.raise_compiler_error(
    "as_of " ~ as_of_text() ~ " lies before " ~ run ~ ": the tables already hold what was loaded since. "
    ~ "Give a later as_of, or build the past anew with --full-refresh."
) -%}
{%- endmacro -%}


{#- After the last model: leave a mark, if every model that works session by session succeeded. -#}
{%- macro finish_line(results) -%}
{%- if is_running() -%}
    {%- set succeeded = results
        | selectattr("status", "equalto", "success") | map(attribute="node.unique_id") | list -%}
    {%- set missing = [] -%}
    {%- for node in graph.nodes.values()
        if node.resource_type == "model" and node.config.materialized == "incremental"
        and node.config.incremental_strategy in line_strategies()
        and node.unique_id not in succeeded -%}
        {%- do missing.append(node.name) -%}
    {%- endfor -%}
    {%- if not missing -%}
        {%- do run_query(
            "insert into " ~ line_marks() ~ " select "
            ~ "(select coalesce(max(mark_number), 0) + 1 from " ~ line_marks() ~ "), "
            ~ "(select coalesce(max(revision), 0) from " ~ earlier_state("int_events_checked") ~ "), "
            ~ as_of() ~ ", '" ~ configuration_version() ~ "'"
        ) -%}
    {%- endif -%}
{%- endif -%}
{%- endmacro -%}


{%- macro line_strategies() -%}
{{ return([
    "replace_deliveries", "replace_batches", "replace_spans", "replace_actors", "replace_sessions",
    "replace_people"
]) }}
{%- endmacro -%}


{#- Whether the configuration is what it was when a mark was left. -#}
{%- macro is_configured_as(mark) -%}
{{ return(
    var("is_state_looked_up") or mark.configuration_version == configuration_version()
) }}
{%- endmacro -%}


{#- What the last complete run left: the number of its mark, its revision, its as_of as text (empty where there was none) and whether
    that is later than this run's, and the version of the configuration. -#}
{%- macro last_mark() -%}
{%- if var("is_state_looked_up") -%}
    {%- set latest = " from " ~ line_marks() ~ " order by mark_number desc limit 1)" -%}
    {{ return({
        "mark_number": "(select mark_number" ~ latest, "revision": "(select revision" ~ latest,
        "as_of": "(select as_of" ~ latest
    }) }}
{%- endif -%}
{%- set nothing = {
    "mark_number": 0, "revision": 0, "as_of": "", "is_later": false, "configuration_version": ""
} -%}
{%- if not is_running() -%}{{ return(nothing) }}{%- endif -%}
{%- set found = answer(
    "select mark_number, revision, cast(as_of as " ~ dbt.type_string() ~ "), as_of > " ~ as_of()
    ~ ", configuration_version from " ~ line_marks() ~ " order by mark_number desc limit 1"
) -%}
{%- if found | length == 0 -%}{{ return(nothing) }}{%- endif -%}
{%- set row = found[0] -%}
{{ return({
    "mark_number": row[0], "revision": row[1], "as_of": "timestamp '" ~ row[2] ~ "'",
    "is_later": row[3], "configuration_version": row[4]
}) }}
{%- endmacro -%}


{#- A fingerprint of everything but events on which the tables depend: the seeds, the SQL of the models up
    to the scores and of the macros in it, the variables, and how the engine hashes. When it changes, all of
    history is worked through again. -#}
{%- macro configuration_version() -%}
{%- if not is_running() -%}{{ return("") }}{%- endif -%}
{{ return(local_md5(
    fingerprint(["staging", "events", "sessions", "signals", "scores"]) ~ hash_key_version()
)) }}
{%- endmacro -%}


{#- A fingerprint of the models in these folders, of the seeds that they read and the macros that they
    use, and of every variable that a model up to the scores reads, itself or through a macro. Nothing
    before models are built. -#}
{%- macro fingerprint(folders) -%}
{%- if not is_running() -%}{{ return("") }}{%- endif -%}
{%- set parts = [] -%}
{%- set macro_texts = {} -%}
{%- for node in graph.nodes.values() | sort(attribute="unique_id")
    if node.resource_type == "model" and node.fqn[1] in folders -%}
    {%- do parts.append(node.unique_id ~ node.checksum.checksum) -%}
    {%- do collect_macros(node.depends_on.macros, macro_texts) -%}
    {%- for parent in node.depends_on.nodes if parent.startswith("seed.") -%}
        {%- do parts.append(parent ~ graph.nodes[parent].checksum.checksum) -%}
    {%- endfor -%}
{%- endfor -%}
{%- for name in [
    "session_gap_seconds", "session_limit_seconds", "attention_seconds", "bot_event_share",
    "metronome_gap_count", "short_page_ratio", "burst_seconds", "burst_distance_px",
    "reflex_seconds", "longest_timer_seconds", "future_tolerance_seconds", "mixpanel_time_zone",
] -%}
    {%- do parts.append(name ~ var(name)) -%}
{%- endfor -%}
{%- do parts.extend(macro_texts.values() | sort) -%}
{{ return(local_md5(parts | join("\n"))) }}
{%- endmacro -%}


{#- Adds to `texts`, by id, the project's own macros among those of the ids, and all that they call. -#}
{%- macro collect_macros(ids, texts) -%}
{%- for id in ids if id.startswith("macro." ~ project_name ~ ".") and id not in texts -%}
    {%- set macro = context[project_name][id.split(".") | last].macro -%}
    {%- do texts.update({id: macro.macro_sql}) -%}
    {%- do collect_macros(macro.depends_on.macros, texts) -%}
{%- endfor -%}
{%- endmacro -%}


{#- Whether there is the state of an earlier run, be it one that died.
    For the helper tables of one run, which are never incremental themselves. -#}
{%- macro is_there(state) -%}
{%- if var("is_state_looked_up") -%}{{ return(execute) }}{%- endif -%}
{{ return(is_running() and not flags.FULL_REFRESH and load_relation(state) is not none) }}
{%- endmacro -%}


{#- Whether there is the state of an earlier run to build upon. -#}
{%- macro is_built_before(state) -%}
{{ return(is_there(state) and (var("is_state_looked_up") or last_mark().revision > 0)) }}
{%- endmacro -%}


{#- Whether a model may read less than everything: that state is there, and was made as it would be now.
    An event may have had another instant or another actor under another configuration. -#}
{%- macro is_narrowed(state) -%}
{{ return(is_built_before(state) and is_configured_as(last_mark())) }}
{%- endmacro -%}


{#- The state that a later model of the line left behind in the last run. Not a ref: it is read as it was. -#}
{%- macro earlier_state(name) -%}
{{ return(api.Relation.create(
    database=target.database, schema=target.schema, identifier=name, type="table"
)) }}
{%- endmacro -%}


{#- Tells dbt, while it parses, that a model comes after another one that only its incremental branch reads;
    the plain form, and so a unit test, does without it. -#}
{%- macro after(name) -%}
{%- if not execute -%}{%- do ref(name) -%}{%- endif -%}
{%- endmacro -%}


{#- In an incremental model: whether the row's session changed. `at` is any instant of the row between the start
    of its session and the last timer of its island; it lets the engine skip most of history. -#}
{%- macro session_changed(at, session_id="session_id") -%}
{{ after("int_changed_sessions") }}
{{ after("int_changed_periods") }}
{%- if is_incremental() -%}
    {{ session_id }} in (
        select changed.session_id from {{ ref("int_changed_sessions") }} as changed
    )
    and {{ in_changed_periods(at) }}
{%- else -%}
    true
{%- endif -%}
{%- endmacro -%}


{#- Whether an instant lies in a period of the changed sessions. -#}
{%- macro in_changed_periods(at) -%}
{{ return(in_periods(at, "not is_known")) }}
{%- endmacro -%}


{#- Whether an instant lies in a period of those changed sessions of which earlier runs made something. -#}
{%- macro in_known_periods(at) -%}
{{ return(in_periods(at, "is_known")) }}
{%- endmacro -%}


{#- As literals, which the engine can compare with what it knows of each block of a large table. -#}
{%- macro in_periods(at, condition) -%}
{%- set periods = "(select starts_at, ends_at from " ~ ref("int_changed_periods")
    ~ " where " ~ condition ~ ") as periods" -%}
{%- if var("is_state_looked_up") -%}
    {{ return(
        "exists (select 1 from " ~ periods ~ " where " ~ at ~ " between periods.starts_at and periods.ends_at)"
    ) }}
{%- endif -%}
{%- if not is_running() -%}{{ return("true") }}{%- endif -%}
{%- set found = answer(
    "select cast(starts_at as " ~ dbt.type_string() ~ "), cast(ends_at as " ~ dbt.type_string() ~ ") from "
    ~ periods
) -%}
{%- set ranges = [] -%}
{%- for period in found -%}
    {%- do ranges.append(
        at ~ " between timestamp '" ~ period[0] ~ "' and timestamp '" ~ period[1] ~ "'"
    ) -%}
{%- endfor -%}
{{ return("(" ~ (ranges | join(" or ") or "false") ~ ")") }}
{%- endmacro -%}


{#- The accepted events; in an incremental model those of changed sessions, and some of others: what this run
    judged, and of what was judged before nothing older than what earlier runs made of a changed session.
    Each part reads for itself, so that the engine can skip what that part does not need. -#}
{%- macro events_of_changed_sessions() -%}
{{ after("int_changed_periods") }}
{%- if is_incremental() -%}
select * from {{ ref("int_events_checked") }}
where rejection_reason is null and revision > {{ last_mark().revision }}
union all
select * from {{ ref("int_events_checked") }}
where
    rejection_reason is null
    and revision <= {{ last_mark().revision }}
    and {{ in_known_periods("event_at") }}
{%- else -%}
select * from {{ ref("int_events_checked") }}
where rejection_reason is null
{%- endif -%}
{%- endmacro -%}


{#- In an incremental model: whether a row of `session_events`, or one that carries its mark_number on, is of a
    changed session. All of those were written in this run, so the engine can skip what earlier runs wrote,
    however far back late events reach. -#}
{%- macro event_changed(row=none) -%}
{{ after("int_changed_sessions") }}
{{ after("int_changed_periods") }}
{%- set prefix = row ~ "." if row else "" -%}
{%- if is_incremental() -%}
    {{ prefix }}session_id in (
        select changed.session_id from {{ ref("int_changed_sessions") }} as changed
    )
    and {{ prefix }}mark_number = {{ next_mark_number() }}
{%- else -%}
    true
{%- endif -%}
{%- endmacro -%}


{#- Whether an event of `session_events` means something beyond its session. -#}
{%- macro is_lasting() -%}
(category in ('milestone', 'setup') or event_name = 'sign_up')
{%- endmacro -%}


{#- In an incremental model: whether a row, of an event that lasts or of what came of it, is judged again. -#}
{%- macro person_changed() -%}
{{ after("int_changed_people") }}
{%- if is_incremental() -%}
(
    actor_id in (
        select changed.actor_id from {{ ref("int_changed_people") }} as changed
        where changed.actor_id is not null
    )
    or user_key in (select changed.user_key from {{ ref("int_changed_people") }} as changed)
)
{%- else -%}
true
{%- endif -%}
{%- endmacro -%}


{#- The earliest instant in a small table, as a literal, which the engine can compare with what it knows
    of each block of a large one. An empty table gives the end of time. -#}
{%- macro first_instant(relation, column) -%}
{%- if var("is_state_looked_up") -%}
    {{ return(
        "(select coalesce(min(" ~ column ~ "), timestamp '9999-12-31 00:00:00') from " ~ relation ~ ")"
    ) }}
{%- endif -%}
{%- if not is_running() -%}{{ return("timestamp '9999-12-31 00:00:00'") }}{%- endif -%}
{%- set found = answer(
    "select cast(min(" ~ column ~ ") as " ~ dbt.type_string() ~ ") from " ~ relation
) -%}
timestamp '{{ found[0][0] or "9999-12-31 00:00:00" }}'
{%- endmacro -%}


{#- The rows that a query gives, asked once in a run: for questions whose answer stays the same from the
    first time that they are asked to the end of the run. dbt gives every macro of a run the same graph,
    and nothing else that they could share. -#}
{%- macro answer(query) -%}
{%- set answers = graph.setdefault("answers", {}).setdefault(invocation_id, {}) -%}
{%- if query not in answers -%}
    {%- do answers.update({query: run_query(query).rows}) -%}
{%- endif -%}
{{ return(answers[query]) }}
{%- endmacro -%}


{#- A fingerprint of what a delivery is judged by: the tracking plan and the SQL that reads it. -#}
{%- macro plan_version() -%}
{%- if not is_running() -%}{{ return("") }}{%- endif -%}
{{ return(local_md5(fingerprint(["staging", "events"]) ~ hash_key_version())) }}
{%- endmacro -%}


{#- The batch from which on deliveries are counted minute by minute: that of a day before the last run. What
    came before it is one number, which the engine knows of whole blocks. Everything is counted where it is
    not the number that was judged, where the tracking plan may be another than in the last run, or where a
    run has died since. -#}
{%- macro first_batch_to_count(judged) -%}
{%- set mark = last_mark() -%}
{%- set beginning = "timestamp '0001-01-01 00:00:00'" -%}
{%- if not is_configured_as(mark) -%}{{ return(beginning) }}{%- endif -%}
{%- set day_before = "date_trunc('minute', " ~ add_seconds(mark.as_of, -86400) ~ ")" -%}
{%- set first_batch -%}
(
    select case
        when (
            select count(*) from {{ ref("int_events_unioned") }} where loaded_at < {{ day_before }}
        ) = (
            select count(*) from {{ judged }} where batch_at < {{ day_before }}
        ) and not exists (
            select 1 from {{ judged }} where revision > {{ mark.revision }}
        ) then {{ day_before }}
        else {{ beginning }}
    end
)
{%- endset -%}
{%- if var("is_state_looked_up") -%}{{ return(first_batch) }}{%- endif -%}
{%- set found = answer("select cast(" ~ first_batch ~ " as " ~ dbt.type_string() ~ ")") -%}
timestamp '{{ found[0][0] }}'
{%- endmacro -%}


{#- Whether a judged delivery is of an event that is delivered again in this run. -#}
{%- macro is_delivered_again() -%}
event_key in (select repeated.event_key from {{ ref("int_repeated_deliveries") }} as repeated)
and batch_at in (select repeated.batch_at from {{ ref("int_repeated_deliveries") }} as repeated)
and batch_at >= {{ first_instant(ref("int_repeated_deliveries"), "batch_at") }}
{%- endmacro -%}


{#- In an incremental model: whether an instant does not lie before the first changed event. -#}
{%- macro since_first_change(at) -%}
{{ after("int_events_checked") }}
{%- if is_incremental() -%}
    {%- set changed_events = "(select event_at from " ~ ref("int_events_checked")
        ~ " where revision > " ~ last_mark().revision ~ ") as changed_events" -%}
    {{ at }} >= {{ first_instant(changed_events, "event_at") }}
{%- else -%}
    true
{%- endif -%}
{%- endmacro -%}


{#- The number of the mark that this run leaves when it completes. -#}
{%- macro next_mark_number() -%}
({{ last_mark().mark_number }} + 1)
{%- endmacro -%}


{#- The revision of the deliveries judged last. -#}
{%- macro latest_revision() -%}
{{ after("int_events_checked") }}
{%- if is_running() or (execute and var("is_state_looked_up")) -%}
(select coalesce(max(checked.revision), 0) from {{ ref("int_events_checked") }} as checked)
{%- else -%}
cast(0 as bigint)
{%- endif -%}
{%- endmacro -%}

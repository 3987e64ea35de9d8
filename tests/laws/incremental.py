"""The line built load by load, by the SQL and the strategies that dbt runs, without dbt."""

from dataclasses import replace
from datetime import UTC
from functools import cache

import duckdb
import jinja2

from tests.harness import Happening, Statement, insert, instant, raw_event, raw_user
from warehouse.compiled import CompiledProject, Model, load_seed
from warehouse.home import PROJECT
from warehouse.landing import ensure_raw

OUTPUTS = (
    "signals",
    "sessions",
    "page_views",
    "intent_scores",
    "engagement_scores",
    "events_rejected",
    "users",
    "session_id_changes",
)
SCRATCH = frozenset(
    {
        "int_changed_batches",
        "int_repeated_deliveries",
        "int_touched_islands",
        "int_island_events",
        "int_islands",
        "int_long_islands_split",
        "int_changed_sessions",
        "int_changed_periods",
        "int_changed_people",
    }
)
"""Tables that hold the work of one run; what they hold differs between runs by design."""

NEVER_COMPARED = frozenset(
    {"revision", "changed_from", "plan_version", "mark_number", "known_from", "known_until"}
)
"""Columns that tell when a row was computed, which is what may differ."""


WITH_RETIRED = frozenset({"int_session_spans", "int_identity_spans"})
"""Tables that also hold what is no longer true, for the runs to come."""


STRATEGIES = (
    "replace_deliveries",
    "replace_batches",
    "replace_spans",
    "replace_actors",
    "replace_sessions",
    "replace_people",
    "replace_operations",
    "replace_state",
)


class Interrupted(Exception):
    """A run was killed."""


class IncrementalLine:
    """One warehouse in memory that takes loads and works through what changed."""

    def __init__(self, plain: CompiledProject, narrowed: CompiledProject) -> None:
        self.connection = duckdb.connect()
        self.connection.execute("set TimeZone = 'UTC'; set threads = 1; create schema kairos")
        ensure_raw(self.connection)
        self.connection.execute(
            "create table kairos.line_marks (mark_number bigint, revision bigint, as_of timestamp)"
        )
        self.plain = self._models(plain)
        self.narrowed = {model.name: model for model in self._models(narrowed)}
        self.strategies = strategies()

    def _models(self, project: CompiledProject) -> list[Model]:
        models = []
        for model in project.between((), OUTPUTS):
            if model.kind == "seed":
                load_seed(self.connection, model, model.seed_path)
            else:
                models.append(model)
        return models

    def load(self, happenings: list[Happening], loaded_at: float | None = None) -> None:
        """Land some deliveries, all at one instant or each at its own."""
        if loaded_at is not None:
            happenings = [replace(happening, loaded_at=loaded_at) for happening in happenings]
        insert(self.connection, "raw.events", [raw_event(each) for each in happenings])

    def load_statements(self, statements: list[Statement], loaded_at: float) -> None:
        """Land what a list says of people, all at one instant."""
        rows = [raw_user(replace(each, loaded_at=loaded_at)) for each in statements]
        insert(self.connection, "raw.users", rows)

    def run(
        self, as_of: float, full_refresh: bool = False, killed_after: int | None = None
    ) -> None:
        """Build every model, as `kairos build` does; `killed_after` so many models it dies.

        A run that dies leaves what it had committed and no mark.
        """
        execute = self.connection.execute
        now = instant(as_of).replace(tzinfo=UTC)
        if full_refresh:
            execute("delete from kairos.line_marks")
        has_state = execute("select count(*) from kairos.line_marks").fetchone()[0] > 0
        for number, model in enumerate(self.plain):
            if number == killed_after:
                raise Interrupted
            if not has_state:
                execute(replace(model, materialized=_anew(model)).statement(now))
            elif model.strategy in self.strategies:
                narrowed = self.narrowed[model.name]
                replace_what_changed(self.connection, narrowed, self.strategies, now)
            else:
                narrowed = self.narrowed[model.name]
                execute(replace(narrowed, materialized=_anew(model)).statement(now))
        execute(
            "insert into kairos.line_marks select (select count(*) + 1 from kairos.line_marks), "
            "(select coalesce(max(revision), 0) from kairos.int_events_checked), ?",
            [instant(as_of)],
        )

    def tables(self) -> dict[str, list[tuple]]:
        """Return every table that holds results, its rows in order."""
        contents = {}
        for model in self.plain:
            if model.name in SCRATCH or model.name.startswith("stg_"):
                continue
            columns = self.connection.execute(
                "select list(column_name order by column_index) from duckdb_columns() "
                f"where schema_name = 'kairos' and table_name = '{model.name}'"
            ).fetchone()[0]
            shown = ", ".join(c for c in columns if c not in NEVER_COMPARED)
            where = "where is_current" if model.name in WITH_RETIRED else ""
            if model.name == "session_id_changes":
                continue
            contents[model.name] = self.connection.execute(
                f"select {shown} from kairos.{model.name} {where} order by all"
            ).fetchall()
        return contents


def replace_what_changed(connection, model: Model, known: dict, now) -> None:
    """Work in what changed, in one transaction, as dbt does with an incremental model."""
    execute = connection.execute
    execute("begin")
    computed = replace(model, name=f"{model.name}__computed", materialized="table")
    execute(computed.statement(now))
    columns = execute(
        "select list(column_name order by column_index) from duckdb_columns() "
        f"where schema_name = 'kairos' and table_name = '{model.name}'"
    ).fetchone()[0]
    execute(known[model.strategy](model, f"kairos.{computed.name}", columns))
    execute(f"drop table kairos.{computed.name}")
    execute("commit")


def _anew(model: Model) -> str:
    return "view" if model.materialized == "view" else "table"


def strategies() -> dict:
    """Render the project's own strategies, with dbt's part played by a few stand-ins."""

    def strategy(name: str):
        def render(model: Model, computed: str, columns: list[str]) -> str:
            class Config:
                @staticmethod
                def require(key: str) -> str:
                    return getattr(model, key)

            class Column:
                def __init__(self, name: str) -> None:
                    self.quoted = f'"{name}"'

            return _template(name).render(
                ref=lambda relation: f"kairos.{relation}",
                first_instant=_first_instant,
                in_known_periods=_in_known_periods,
                is_delivered_again=_is_delivered_again,
                person_changed=_person_changed,
                is_incremental=lambda: True,
                var=lambda _: True,
                this=f"kairos.{model.name}",
                config=Config,
                arguments={
                    "target_relation": f"kairos.{model.name}",
                    "temp_relation": computed,
                    "dest_columns": [Column(name) for name in columns],
                },
            )

        return render

    return {name: strategy(name) for name in STRATEGIES}


@cache
def _template(strategy: str) -> jinja2.Template:
    """Return a strategy as a template: Jinja takes longer to read it than DuckDB to run it."""
    macros = PROJECT / "macros"
    source = "".join((macros / name).read_text() for name in ("ledger.sql", "strategies.sql"))
    return jinja2.Environment(extensions=["jinja2.ext.do"]).from_string(
        source + "{{ get_incremental_" + strategy + "_sql(arguments) }}"
    )


def _first_instant(relation: str, column: str) -> str:
    return f"(select coalesce(min({column}), timestamp '9999-12-31') from {relation})"


def _in_known_periods(at: str) -> str:
    return (
        "exists (select 1 from kairos.int_changed_periods as periods "
        f"where is_known and {at} between starts_at and ends_at)"
    )


def _is_delivered_again() -> str:
    repeated = "kairos.int_repeated_deliveries"
    return f"event_key in (select event_key from {repeated})"


def _person_changed() -> str:
    people = "kairos.int_changed_people"
    return (
        f"(actor_id in (select actor_id from {people} where actor_id is not null) "
        f"or user_key in (select user_key from {people}))"
    )

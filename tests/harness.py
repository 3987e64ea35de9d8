"""The line from raw events to scores as compiled SQL: one small history in milliseconds."""

import fcntl
import hashlib
import json
import pickle
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from warehouse.compiled import CompiledProject, Model, compile_project, load_seed
from warehouse.home import Home
from warehouse.landing import ensure_raw

START = datetime(2026, 1, 5, 9, tzinfo=UTC)
"""When histories begin; their events say how many seconds later they happen."""

SESSION_LIMIT = 4000
"""Seconds that a session lasts at most where small histories are to reach it, in place of a day."""

Row = dict[str, Any]


@dataclass(frozen=True)
class Happening:
    """One raw event, at some seconds after `START`."""

    at: float
    event_name: str
    properties: Mapping[str, Any] = field(default_factory=dict)
    event_id: str = ""
    actor: str = "ann-browser"
    user_id: str | None = None
    page_url: str | None = "https://app.example.com/a"
    device_type: str = "desktop"
    user_agent: str = "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0"
    loaded_at: float | None = None


@dataclass(frozen=True)
class Statement:
    """What a list says of a person, known from some seconds after `START`."""

    at: float
    user_id: str
    segment: str | None = None
    signed_up: float | None = None
    """Seconds after `START`."""
    is_dated: bool = True
    """Whether the list says from when it holds; else it holds from when it arrives."""
    loaded_at: float | None = None


def instant(seconds: float) -> datetime:
    """Return the naive UTC instant some seconds after `START`."""
    return (START + timedelta(milliseconds=round(seconds * 1000))).replace(tzinfo=None)


def named(happenings: Iterable[Happening]) -> list[Happening]:
    """Give an id to every event that has none, by its place in the list."""
    return [
        happening if happening.event_id else replace(happening, event_id=f"e{number:03d}")
        for number, happening in enumerate(happenings)
    ]


class Line:
    """The models that lead to some outputs, over one DuckDB in memory."""

    def __init__(self, project: CompiledProject, outputs: Collection[str]) -> None:
        self.connection = duckdb.connect()
        self.connection.execute("set TimeZone = 'UTC'; set threads = 1; create schema kairos")
        ensure_raw(self.connection)
        self.models: list[Model] = []
        for model in project.between((), outputs):
            if model.kind == "seed":
                load_seed(self.connection, model, model.seed_path)
            else:
                self.models.append(plain(model))

    def replace_sql(self, name: str, old: str, new: str) -> None:
        """Break one model on purpose, to see a test fail."""
        models = {model.name: model for model in self.models}
        assert old in models[name].sql, f"{name} does not say {old!r}"
        self.models = [
            replace(model, sql=model.sql.replace(old, new)) if model.name == name else model
            for model in self.models
        ]

    def run(
        self,
        happenings: Iterable[Happening],
        as_of: float,
        statements: Iterable[Statement] = (),
    ) -> "Line":
        """Build every model over these, `as_of` seconds after `START`."""
        execute = self.connection.execute
        execute("begin")
        execute("truncate raw.events; truncate raw.users")
        insert(self.connection, "raw.events", [raw_event(each) for each in named(happenings)])
        insert(self.connection, "raw.users", [raw_user(each) for each in statements])
        self.build(as_of)
        execute("commit")
        return self

    def build(self, as_of: float) -> None:
        """Build every model over what is there."""
        now = instant(as_of).replace(tzinfo=UTC)
        for model in self.models:
            self.connection.execute(model.statement(now))

    def rows(self, query: str) -> list[Row]:
        """Return the rows of a query over `kairos.<model>`."""
        relation = self.connection.execute(query)
        names = [column[0] for column in relation.description]
        return [dict(zip(names, row, strict=True)) for row in relation.fetchall()]

    def signals(self, *names: str) -> list[Row]:
        """Return the signals of these names, or all, in order."""
        chosen = " or ".join(f"signal_name = '{name}'" for name in names) or "true"
        return self.rows(
            f"select * from kairos.signals where {chosen} "
            "order by detected_at, signal_name, is_escalated, signal_id"
        )


def plain(model: Model) -> Model:
    """Return the model as one that is built anew, whatever it does in a warehouse."""
    return replace(model, materialized="view" if model.materialized == "view" else "table")


def insert(connection: duckdb.DuckDBPyConnection, table: str, rows: list[Row]) -> None:
    """Insert rows that all have the same columns."""
    if not rows:
        return
    # as one value: DuckDB takes its time over every single parameter
    connection.execute(
        f"insert into {table} by name select unnest(from_json(?, ?), recursive := true)",
        [json.dumps(rows, default=str), json.dumps([dict.fromkeys(rows[0], "varchar")])],
    )


def raw_event(happening: Happening) -> Row:
    """Return the row of `raw.events`."""
    loaded_at = happening.at if happening.loaded_at is None else happening.loaded_at
    return {
        "event_id": happening.event_id,
        "user_id": happening.user_id,
        "anonymous_id": happening.actor,
        "event_name": happening.event_name,
        "event_at": text(happening.at),
        "page_url": happening.page_url,
        "device_type": happening.device_type,
        "user_agent": happening.user_agent,
        "properties": json.dumps(dict(happening.properties)),
        "source": "test",
        "source_file": "test.jsonl",
        "source_line": 1,
        "loaded_at": instant(loaded_at),
    }


def raw_user(statement: Statement) -> Row:
    """Return the row of `raw.users`."""
    loaded_at = statement.at if statement.loaded_at is None else statement.loaded_at
    return {
        "user_id": statement.user_id,
        "segment": statement.segment,
        "signed_up_at": None if statement.signed_up is None else text(statement.signed_up),
        "updated_at": text(statement.at) if statement.is_dated else None,
        "source_file": "users.csv",
        "source_line": 1,
        "loaded_at": instant(loaded_at),
    }


def text(seconds: float) -> str:
    """Return the instant some seconds after `START` as events and lists write it."""
    return instant(seconds).isoformat(timespec="milliseconds") + "Z"


def compiled(root: Path, incremental: bool = False, **variables: object) -> CompiledProject:
    """Compile the project in a scratch place, with other variables where they are given.

    Once for all processes of a run of the tests: dbt takes seconds over it.
    """
    # each process has a folder of its own below that of the run
    shared = next(folder for folder in root.parents if not folder.name.startswith("popen-"))
    form = hashlib.sha256(repr((incremental, sorted(variables.items()))).encode()).hexdigest()
    path = shared / f"compiled-{form}.pickle"
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            home = Home(root, root / "compiled.duckdb", "", root / "landing")
            path.write_bytes(pickle.dumps(compile_project(home, incremental, variables)))
        project: CompiledProject = pickle.loads(path.read_bytes())
    return project

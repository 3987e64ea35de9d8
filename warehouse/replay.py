"""Deciding history again, beside the warehouse and never in it."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb

from warehouse.clock import warehouse_text
from warehouse.compiled import (
    DECISIONS,
    SCHEMA,
    CompiledProject,
    compile_project,
    create_histories,
    load_seed,
    run_models,
)
from warehouse.connection import sql_text
from warehouse.errors import KairosError
from warehouse.home import Home

OnStep = Callable[[int, int, str], None]
"""Called as (steps done, steps in all, the instant of the step)."""

COMPARED = "outcome, reason, blocked_by, deferred_until"

KNOWN_DELIVERIES = f"""
    decision_id is null
    or decision_id not in (
        select decision_id from live.{SCHEMA}.{DECISIONS}
        where outcome = 'send' and decided_at >= timestamp '{{start}}'
    )
    or decision_id in (select decision_id from {SCHEMA}.{DECISIONS})
"""
"""Which deliveries the replay knows of: not those of messages that it has not decided to send.

A message that other settings, or a later step, would not have sent must take no place under a cap.
"""


@dataclass(frozen=True)
class Replay:
    """What became of each candidate in a stretch of history, as recorded and as replayed."""

    steps: int
    recorded: Counter[tuple[str, str, str]]
    """How many decisions of each trigger, outcome and reason."""
    replayed: Counter[tuple[str, str, str]]
    differing_decisions: int
    people_affected: int
    busiest_hour: tuple[datetime, int] | None
    """The hour in which the replay sends most, and how many."""


def replay(
    home: Home,
    start: datetime,
    end: datetime,
    settings: Mapping[str, Path],
    on_step: OnStep | None = None,
) -> Replay:
    """Decide again at each recorded instant of the stretch, from what was loaded by then.

    `settings` replaces seeds by files of the same columns. Raises `KairosError` for a seed that
    does not exist, and for a stretch in which nothing was decided.
    """
    with TemporaryDirectory(prefix="replay-", dir=home.ensure().root) as folder:
        scratch = Path(folder)
        project = compile_project(Home(scratch, scratch / "compiled.duckdb", "", scratch))
        if unknown := [name for name in settings if _kind(project, name) != "seed"]:
            raise KairosError(f"there is no seed {unknown[0]!r}: see the files in seeds/")
        with _workbench(home, scratch) as connection:
            steps = _instants(connection, start, end)
            models = _prepare(connection, project, settings, start)
            for number, instant in enumerate(steps):
                run_models(connection, models, instant)
                if on_step:
                    on_step(number + 1, len(steps), instant.isoformat(sep=" "))
            return _compare(connection, steps)


def _kind(project: CompiledProject, name: str) -> str | None:
    model = project.models.get(name)
    return model.kind if model else None


@contextmanager
def _workbench(home: Home, scratch: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    connection = duckdb.connect(str(scratch / "replay.duckdb"))
    try:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute(f"attach {sql_text(str(home.warehouse))} as live (read_only)")
        yield connection
    finally:
        connection.close()


def _instants(
    connection: duckdb.DuckDBPyConnection, start: datetime, end: datetime
) -> list[datetime]:
    try:
        rows = connection.execute(
            f"select distinct decided_at from live.{SCHEMA}.{DECISIONS} "
            f"where decided_at >= timestamp '{warehouse_text(start)}' "
            f"and decided_at < timestamp '{warehouse_text(end)}' order by decided_at"
        ).fetchall()
    except duckdb.CatalogException as error:
        raise KairosError("nothing was ever decided: run `kairos build` first") from error
    if not rows:
        raise KairosError("nothing was decided in that stretch: choose another --from and --to")
    return [row[0].replace(tzinfo=UTC) for row in rows]


def _prepare(
    connection: duckdb.DuckDBPyConnection,
    project: CompiledProject,
    settings: Mapping[str, Path],
    start: datetime,
) -> Sequence[Any]:
    connection.execute(f"create schema raw; create schema {SCHEMA}")
    for (table,) in connection.execute(
        "select table_name from duckdb_tables() "
        "where database_name = 'live' and schema_name = 'raw'"
    ).fetchall():
        if table != "sync_operations":
            connection.execute(f"create view raw.{table} as select * from live.raw.{table}")
    needed = project.between([], [DECISIONS])
    for model in needed:
        if model.kind == "seed":
            load_seed(connection, model, settings.get(model.name, model.seed_path))
    models = [model for model in needed if model.kind == "model"]
    create_histories(connection, models)
    connection.execute(
        "create view raw.sync_operations as select * from live.raw.sync_operations "
        f"where {KNOWN_DELIVERIES.format(start=warehouse_text(start))}"
    )
    connection.execute(
        f"insert into {SCHEMA}.{DECISIONS} by name select * from live.{SCHEMA}.{DECISIONS} "
        f"where decided_at < timestamp '{warehouse_text(start)}'"
    )
    return models


def _compare(connection: duckdb.DuckDBPyConnection, steps: Sequence[datetime]) -> Replay:
    stretch = (
        f"where decided_at between timestamp '{warehouse_text(steps[0])}' "
        f"and timestamp '{warehouse_text(steps[-1])}'"
    )
    live, own = f"live.{SCHEMA}.{DECISIONS}", f"{SCHEMA}.{DECISIONS}"

    def counts(table: str) -> Counter[tuple[str, str, str]]:
        rows = connection.execute(
            f"select trigger_name, outcome, reason, count(*) from {table} {stretch} group by all"
        ).fetchall()
        return Counter({(name, outcome, reason): n for name, outcome, reason, n in rows})

    connection.execute(f"""
        create temp table differing as
        select distinct decision_id, user_key from (
            (select decision_id, user_key, decided_at, {COMPARED} from {live} {stretch}
             except select decision_id, user_key, decided_at, {COMPARED} from {own})
            union all
            (select decision_id, user_key, decided_at, {COMPARED} from {own} {stretch}
             except select decision_id, user_key, decided_at, {COMPARED} from {live})
        )
    """)
    [(decisions, people)] = connection.execute(
        "select count(distinct decision_id), count(distinct user_key) from differing"
    ).fetchall()
    busiest = connection.execute(
        f"select date_trunc('hour', decided_at) as hour, count(*) as n from {own} {stretch} "
        "and outcome = 'send' group by hour order by n desc, hour limit 1"
    ).fetchone()
    return Replay(
        len(steps),
        counts(live),
        counts(own),
        decisions,
        people,
        (busiest[0], busiest[1]) if busiest else None,
    )

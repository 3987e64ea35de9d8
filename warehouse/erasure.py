"""One person taken out of the warehouse and the landing folder.

What is made of raw rows need not be searched: a full refresh makes it anew without them. What is
never made anew, decisions and their gates, is cleared by the person's key.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

from warehouse.clock import as_utc, parse_instant
from warehouse.compiled import SCHEMA, compile_project
from warehouse.connection import connect, sql_text
from warehouse.errors import WarehouseMissing
from warehouse.home import Home
from warehouse.ingest.files import FileRefused, find
from warehouse.ingest.removal import Removed, Wanted, as_written, remove, spellings
from warehouse.landing import ensure_raw

END_OF_TIME = parse_instant("9999-12-31T00:00:00Z")


@dataclass(frozen=True)
class Traces:
    """Where a person is in the raw tables."""

    user_id: str
    browsers: frozenset[str]
    """Browsers that nobody else signed in at: all that they did is the person's."""
    shared_browsers: frozenset[str]
    lines: frozenset[tuple[str, int, datetime]]
    """Rows that are the person's: their file, line, and instant of loading."""
    shared_lines: frozenset[tuple[str, int, datetime]]
    """Those that only name a shared browser: the person was the last to sign in there."""

    @property
    def wanted(self) -> Wanted:
        """The person as files name them."""
        shared: dict[str, set[int]] = {}
        for file, line, _ in self.shared_lines:
            shared.setdefault(file, set()).add(line)
        return Wanted(
            self.browsers | {self.user_id},
            self.shared_browsers,
            {file: frozenset(lines) for file, lines in shared.items()},
        )


@dataclass(frozen=True)
class Place:
    """A place that was searched, and what came of it."""

    name: str
    row_count: int
    problem: str | None = None
    """What a person still has to do; None where nothing is left."""
    is_unfinished: bool = False
    """Whether the same command, called again, may do it after all."""


def trace(home: Home, user_id: str) -> Traces:
    """Find a person's raw rows, through staging, which knows where each vendor keeps its ids.

    Raises `WarehouseMissing` where nothing was ever taken in.
    """
    if not home.warehouse.exists():
        raise WarehouseMissing(f"there is no warehouse at {home.warehouse}: nobody is in it")
    with TemporaryDirectory(prefix="erase-", dir=home.ensure().root) as folder:
        scratch = Path(folder)
        project = compile_project(Home(scratch, scratch / "compiled.duckdb", "", scratch))
        readers = project.between([], ["int_events_unioned", "int_user_statements"])
        with duckdb.connect() as connection:
            connection.execute("set TimeZone = 'UTC'; set enable_progress_bar = false")
            connection.execute(f"set temp_directory = {sql_text(str(scratch / 'tmp'))}")
            connection.execute(f"attach {sql_text(str(home.warehouse))} as live (read_only)")
            connection.execute(f"create schema raw; create schema {SCHEMA}")
            for (table,) in connection.execute(
                "select table_name from duckdb_tables() "
                "where database_name = 'live' and schema_name = 'raw'"
            ).fetchall():
                connection.execute(f"create view raw.{table} as select * from live.raw.{table}")
            for model in readers:
                connection.execute(model.statement(END_OF_TIME))
            return _traces(connection, user_id)


def last_as_of(home: Home) -> datetime | None:
    """Return the "now" of the last run: built anew as of then, nothing is decided that was not.

    None where no run was ever complete.
    """
    with connect(home, read_only=True) as connection:
        try:
            [(last,)] = connection.execute(f"select max(as_of) from {SCHEMA}.line_marks").fetchall()
        except duckdb.CatalogException:
            return None
    return None if last is None else as_utc(last)


def _traces(connection: duckdb.DuckDBPyConnection, user_id: str) -> Traces:
    connection.execute(
        f"""
        create table named as
        select user_id, anonymous_id, event_at, event_id, source_file, source_line, loaded_at
        from {SCHEMA}.int_events_unioned
        where
            $user_id in (user_id, anonymous_id)
            or anonymous_id in (
                select anonymous_id from {SCHEMA}.int_events_unioned
                where user_id = $user_id and anonymous_id is not null
            )
        """,
        {"user_id": user_id},
    )
    browsers = dict(
        connection.execute(
            """
            select anonymous_id, bool_and(user_id = $user_id)
            from named
            where anonymous_id is not null and user_id is not null
            group by anonymous_id
            """,
            {"user_id": user_id},
        ).fetchall()
    )
    mine = frozenset(browser for browser, is_mine in browsers.items() if is_mine)
    shared_lines = connection.execute(
        """
        with

        attributed as (

            select
                *,
                last_value(user_id ignore nulls) over (
                    partition by anonymous_id order by event_at, event_id
                    rows between unbounded preceding and current row
                ) as signed_in

            from named
            where event_at is not null

        )

        select source_file, source_line, loaded_at
        from attributed
        where user_id is null and signed_in = $user_id and not list_contains($mine, anonymous_id)
        """,
        {"user_id": user_id, "mine": sorted(mine)},
    ).fetchall()
    lines = connection.execute(
        f"""
        select source_file, source_line, loaded_at from named
        where $user_id in (user_id, anonymous_id) or list_contains($mine, anonymous_id)
        union
        select source_file, source_line, loaded_at from {SCHEMA}.int_user_statements
        where user_id = $user_id
        """,
        {"user_id": user_id, "mine": sorted(mine)},
    ).fetchall()
    return Traces(
        user_id,
        mine,
        frozenset(browsers) - mine,
        frozenset(lines) | frozenset(shared_lines),
        frozenset(shared_lines),
    )


def erase_landing(home: Home, traces: Traces) -> Iterator[Place]:
    """Take the person out of the files of the landing folder, one after another.

    Each file is replaced in one step, after what it will hold was entered as taken: killed in
    between, nothing of it is taken again, and another call goes on.
    """
    if not any(home.landing.rglob("*")):
        return
    wanted = traces.wanted
    for path in find([str(home.landing)]).files:
        with TemporaryDirectory(prefix="erase-", dir=home.root) as folder:
            try:
                removed = remove(path, wanted, Path(folder))
            except (FileRefused, OSError) as error:
                yield Place(str(path), 0, str(error))
                continue
            if removed is None:
                continue
            _put_in_place(home, path, removed)
        yield Place(str(path), removed.row_count)


def _put_in_place(home: Home, path: Path, removed: Removed) -> None:
    if removed.is_empty:
        path.unlink()
        return
    with connect(home) as connection:
        ensure_raw(connection)
        for each in removed.contents:
            connection.execute(
                """
                insert into raw.loads by name
                select * replace ($sha256 as content_sha256, $byte_count as byte_count)
                from raw.loads where content_sha256 = $sha256_before
                on conflict do nothing
                """,
                asdict(each),
            )
    removed.path.chmod(path.stat().st_mode)
    os.replace(removed.path, path)


def files_elsewhere(home: Home, traces: Traces) -> list[str]:
    """Files outside the landing folder from which rows of the person were taken."""
    names = {file for file, _, _ in traces.lines if file}
    return sorted(name for name in names if not Path(name).is_relative_to(home.landing))


def erase_warehouse(home: Home, traces: Traces) -> list[Place]:
    """Delete the person's raw rows and decisions, all or nothing.

    The caller then builds with a full refresh, which leaves nothing of them elsewhere.
    """
    with connect(home) as connection, _transaction(connection):
        ensure_raw(connection)
        _write_down(connection, traces)
        places = [
            _delete(connection, f"raw.{table}", condition) for table, condition in _RAW.items()
        ]
        known = {
            name
            for (name,) in connection.execute(
                "select table_name from duckdb_tables() where schema_name = $schema",
                {"schema": SCHEMA},
            ).fetchall()
        }
        places += [
            _delete(connection, f"{SCHEMA}.{table}", condition)
            for table, condition in _KEPT.items()
            if table in known
        ]
        connection.execute("drop table their_lines; drop table their_ids; drop table erased_user")
        return places


_OF_USER = "{column} in (select user_id from erased_user)"
_ON_THEIR_LINE = """
    exists (
        select 1 from their_lines
        where
            their_lines.source_file is not distinct from {table}.source_file
            and their_lines.source_line is not distinct from {table}.source_line
            and their_lines.loaded_at is not distinct from {table}.loaded_at
    )
"""
_NAMES_THEM = """
    exists (
        select 1 from their_ids
        where regexp_matches(
            payload, '(^|[^A-Za-z0-9_])' || their_ids.spellings || '($|[^A-Za-z0-9_])'
        )
    )
"""
_OF_VENDOR = f"{_ON_THEIR_LINE} and {_NAMES_THEM}"
"""A line may be a batch body, and so hold events of others."""

_RAW = {
    "events": f"""
        {_OF_USER.format(column="user_id")}
        or anonymous_id in (select id from their_ids where not is_shared)
        or (
            user_id is null
            and anonymous_id in (select id from their_ids where is_shared)
            and {_ON_THEIR_LINE}
        )
    """,
    "events_segment": _OF_VENDOR,
    "events_mixpanel": _OF_VENDOR,
    "events_amplitude": _OF_VENDOR,
    "events_snowplow": _OF_VENDOR,
    "unreadable_lines": _NAMES_THEM,
    "users": _OF_USER.format(column="user_id"),
    "feedback": f"{_OF_USER.format(column='user_id')} or {_NAMES_THEM}",
    "sync_operations": _OF_USER.format(column="user_key"),
}
"""Every raw table that may hold a person, and which of its rows are theirs."""

_KEPT = {
    "decision_gates": f"""
        decision_id in (
            select decision_id from {SCHEMA}.trigger_decisions
            where {_OF_USER.format(column="user_key")}
        )
    """,
    "trigger_decisions": _OF_USER.format(column="user_key"),
    "sync_plan": _OF_USER.format(column="user_key"),
    "stg_ledger__sync_operations": _OF_USER.format(column="user_key"),
    "sync_state": _OF_USER.format(column="user_key"),
}
"""What no full refresh makes anew, gates first, which are found by their decisions; the plan, from
which a run could deliver before that refresh; and what follows the ledger, of which any other run
would make another plan for them, should that refresh fail."""


def _write_down(connection: duckdb.DuckDBPyConnection, traces: Traces) -> None:
    connection.execute(
        "create temp table erased_user as select $user_id as user_id", {"user_id": traces.user_id}
    )
    connection.execute(
        "create temp table their_ids (id varchar, is_shared boolean, spellings varchar)"
    )
    ids = [(one, False) for one in sorted(traces.browsers | {traces.user_id})]
    ids += [(one, True) for one in sorted(traces.shared_browsers)]
    connection.executemany(
        "insert into their_ids values (?, ?, ?)",
        [(one, is_shared, spellings(as_written(one))) for one, is_shared in ids],
    )
    files, lines, instants = zip(*traces.lines, strict=True) if traces.lines else ((), (), ())
    connection.execute(
        """
        create temp table their_lines as
        select
            cast(unnest($files) as varchar) as source_file,
            cast(unnest($lines) as bigint) as source_line,
            cast(unnest($instants) as timestamp) as loaded_at
        """,
        {"files": list(files), "lines": list(lines), "instants": list(instants)},
    )


def _delete(connection: duckdb.DuckDBPyConnection, table: str, condition: str) -> Place:
    [(count,)] = connection.execute(
        f"delete from {table} where {condition.replace('{table}', table)}"
    ).fetchall()
    return Place(table, count)


@contextmanager
def _transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    connection.execute("begin")
    try:
        yield
    except BaseException:
        connection.execute("rollback")
        raise
    connection.execute("commit")

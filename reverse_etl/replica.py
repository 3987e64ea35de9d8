"""Copies what the ledger knows into the warehouse, and tells it what platforms reported there."""

import json
import logging
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb

from reverse_etl.feedback import reported
from reverse_etl.ledger.store import Ledger
from warehouse.clock import naive_utc
from warehouse.connection import connect, sql_text, writer
from warehouse.home import Home
from warehouse.landing import ensure_raw

BATCH = 50_000
KEPT = 5_000
OPERATION_COLUMNS = (
    "sequence",
    "operation_id",
    "idempotency_key",
    "run_id",
    "destination",
    "kind",
    "operation",
    "object_key",
    "user_key",
    "decision_id",
    "payload_hash",
    "state",
    "attempt_count",
    "planned_at",
    "sent_at",
    "acknowledged_at",
    "expires_at",
    "http_status",
    "error_code",
    "error_message",
    "scope",
    "counts_toward_caps",
    "field_names",
)
RUN_COLUMNS = (
    "sequence",
    "run_id",
    "destination",
    "started_at",
    "finished_at",
    "status",
    "counts",
    "request_count",
)
HAPPENED = {
    "sync_operations": ("planned_at", "sent_at", "acknowledged_at"),
    "sync_runs": ("finished_at",),
}
"""The instants before which a row cannot have been known."""


def replicate(home: Home, ledger: Ledger, at: datetime, keep: timedelta | None = None) -> int:
    """Append to `raw.sync_operations` and `raw.sync_runs` what is not there yet.

    Each batch is one transaction and begins after the highest sequence in the warehouse, so that a
    copy that was cut short is taken up where it stopped. What platforms reported of messages goes
    into the ledger on the way, and is copied with the rest. `at` becomes `loaded_at`, unless a
    change is younger: nobody who asks what was known at some instant may find what came later. What
    the ledger need not know any more after `keep` is then taken out of it, and stays here. Answers
    the number of changes copied.
    """
    with writer(home), connect(home) as connection:
        ensure_raw(connection)
        _recover(connection, ledger)
        copied = _copy(connection, "sync_operations", OPERATION_COLUMNS, ledger.changes_after, at)
        if sum(ledger.confirm(reports, at) for reports in reported(connection, at)):
            copied += _copy(
                connection, "sync_operations", OPERATION_COLUMNS, ledger.changes_after, at
            )
        _copy(connection, "sync_runs", RUN_COLUMNS, ledger.runs_after, at)
        last_change, last_run = (
            _last(connection, name) for name in ("sync_operations", "sync_runs")
        )
    if keep is not None:
        ledger.prune(keep, at, copied_changes=last_change, copied_runs=last_run)
    return copied


def recover(home: Home, ledger: Ledger) -> int:
    """Give a ledger that is not the one the warehouse knows what that one is known to have held.

    It was lost, moved, or put back from an older copy: without this, messages would be sent again,
    caps begin anew, and nothing of it be copied until its numbers have caught up. Answers the
    number of changes, 0 where nothing was to be done; a warning is logged otherwise.
    """
    with connect(home, read_only=True) as connection:
        return _recover(connection, ledger)


def _recover(connection: duckdb.DuckDBPyConnection, ledger: Ledger) -> int:
    last_change, last_run = (_last(connection, name) for name in ("sync_operations", "sync_runs"))
    if not ledger.is_behind(last_change, last_run):
        return 0
    count = ledger.restore(
        _kept(connection, "sync_operations", OPERATION_COLUMNS),
        _kept(connection, "sync_runs", RUN_COLUMNS),
    )
    if count:
        logging.getLogger(__name__).warning(
            "the ledger is not the one that the warehouse knows: %s changes were taken over from "
            "the warehouse's copy. What was sent after that copy may be sent again",
            f"{count:,}",
        )
    return count


def _kept(
    connection: duckdb.DuckDBPyConnection, table: str, columns: Sequence[str]
) -> Iterator[list[dict[str, Any]]]:
    """Read a copy in the order of its log."""
    cursor = connection.cursor().execute(
        f"select {', '.join(columns)} from raw.{table} order by sequence"
    )
    while rows := cursor.fetchmany(KEPT):
        yield [
            {
                name: value.replace(tzinfo=UTC) if isinstance(value, datetime) else value
                for name, value in zip(columns, row, strict=True)
            }
            for row in rows
        ]


def _copy(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    columns: Sequence[str],
    read: Callable[[int, int], Sequence[Any]],
    at: datetime,
) -> int:
    last = _last(connection, table)
    copied = 0
    while rows := read(last, BATCH):
        _append(connection, table, columns, rows, at)
        last = rows[-1].sequence
        copied += len(rows)
    return copied


def _last(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    query = f"select coalesce(max(sequence), 0) from raw.{table}"
    [(last,)] = connection.execute(query).fetchall()
    return int(last)


def _append(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    columns: Sequence[str],
    rows: Sequence[Any],
    at: datetime,
) -> None:
    """Insert through a file: row by row the warehouse would take minutes for a large run."""
    types = dict(
        connection.execute(
            "select column_name, data_type from duckdb_columns() "
            "where schema_name = 'raw' and table_name = $table",
            {"table": table},
        ).fetchall()
    )
    with TemporaryDirectory(prefix="kairos-replica-") as folder:
        path = Path(folder) / "rows.jsonl"
        with path.open("w", encoding="utf-8") as file:
            for row in rows:
                values = {column: getattr(row, column) for column in columns}
                file.write(json.dumps(values, default=_plain) + "\n")
        names = ", ".join(columns)
        shape = ", ".join(f"{column}: '{types[column]}'" for column in columns)
        connection.execute(
            f"insert into raw.{table} ({names}, loaded_at) "
            f"select {names}, greatest($at, {', '.join(HAPPENED[table])}) "
            f"from read_json({sql_text(str(path))}, format = 'newline_delimited', "
            f"columns = {{{shape}}})",
            {"at": naive_utc(at)},
        )


def _plain(value: Any) -> str:
    return naive_utc(value).isoformat(" ") if isinstance(value, datetime) else str(value)

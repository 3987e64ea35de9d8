"""Copies what the ledger knows into the warehouse, and tells it what platforms reported there."""

import json
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
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
        copied = _copy(connection, "sync_operations", OPERATION_COLUMNS, ledger.changes_after, at)
        if sum(ledger.confirm(reports, at) for reports in reported(connection)):
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

"""Connections to the warehouse file, the one-writer lock, and snapshots for slow readers."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_random

from warehouse.errors import WarehouseLocked, WarehouseMissing, WarehouseUnusable
from warehouse.home import Home
from warehouse.lock import DEFAULT_TIMEOUT_SECONDS, holder, lock_timeout, writer

__all__ = [
    "DEFAULT_TIMEOUT_SECONDS",
    "connect",
    "holder",
    "lock_timeout",
    "snapshot",
    "sql_text",
    "writer",
]

PATIENCE_SECONDS = 10.0
"""How long to wait for the file: a snapshot or a short query of another process may hold it."""

MEMORY_LIMIT_BYTES = 4 * 1024**3

_HELD_BY = re.compile(r"Conflicting lock is held in (?P<program>\S+) \(PID (?P<pid>\d+)\)")


@contextmanager
def connect(
    home: Home, read_only: bool = False, patience_seconds: float = PATIENCE_SECONDS
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the warehouse in UTC, with its overflow on the disk of KAIROS_HOME, and close it.

    Raises `WarehouseLocked` when another process holds the file for longer than `patience_seconds`,
    `WarehouseMissing` when there is nothing to read, `WarehouseUnusable` for trouble with the disk,
    also while the connection is in use.
    """
    connection = _open(home, read_only, patience_seconds)
    try:
        connection.execute("set TimeZone = 'UTC'")
        # it would be drawn into the standard output, among the results
        connection.execute("set enable_progress_bar = false")
        connection.execute(f"set temp_directory = {sql_text(str(home.root / 'tmp'))}")
        connection.execute(f"set memory_limit = '{_memory_limit_bytes()}B'")
        yield connection
    except (duckdb.IOException, duckdb.OutOfMemoryException, duckdb.TransactionException) as error:
        if isinstance(error, duckdb.TransactionException) and "Could not write" not in str(error):
            raise
        raise WarehouseUnusable(
            f"the warehouse {home.warehouse} could not be used: {_first_line(error)}; "
            "see that its disk has room and the file is yours to write, then run this again"
        ) from error
    finally:
        connection.close()


def snapshot(home: Home, query: str, path: Path, *, group_size: int = 10_240) -> Path:
    """Copy the result of a query to a Parquet file, so that its slow reader holds no lock.

    Its rows are in no order, which would be kept in memory; `group_size` of them lie together.
    The file appears complete or not at all. Returns its path.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with connect(home, read_only=True) as connection:
            shape = f"format parquet, preserve_order false, row_group_size {int(group_size)}"
            connection.execute(f"copy ({query}) to {sql_text(str(partial))} ({shape})")
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    return path


def sql_text(value: str) -> str:
    """Quote text as a SQL literal, for the statements that take no parameters."""
    return "'" + value.replace("'", "''") + "'"


def _open(home: Home, read_only: bool, patience_seconds: float) -> duckdb.DuckDBPyConnection:
    if read_only and not home.warehouse.exists():
        raise WarehouseMissing(
            f"there is no warehouse at {home.warehouse}: run `kairos ingest PATH` or `kairos build`"
        )
    home.ensure()
    attempts = Retrying(
        retry=retry_if_exception_type(WarehouseLocked),
        stop=stop_after_delay(patience_seconds),
        wait=wait_random(0.05, 0.25),
        reraise=True,
    )
    return attempts(_open_once, home, read_only)


def _open_once(home: Home, read_only: bool) -> duckdb.DuckDBPyConnection:
    try:
        return duckdb.connect(str(home.warehouse), read_only=read_only)
    except duckdb.ConnectionException as error:
        if read_only and "different configuration" in str(error):
            # this very process has the file open for writing: share that instance
            return duckdb.connect(str(home.warehouse))
        raise WarehouseLocked(
            f"{home.warehouse} is open for reading in this process: close that connection first"
        ) from error
    except duckdb.IOException as error:
        if held := _HELD_BY.search(str(error)):
            raise WarehouseLocked(
                f"{home.warehouse} is held by process {held['pid']} "
                f"({Path(held['program']).name}): close it or wait for it, then run this again"
            ) from error
        raise WarehouseUnusable(
            f"{home.warehouse} cannot be opened as a warehouse: {_first_line(error)}; "
            "move the file away to start afresh, or set KAIROS_WAREHOUSE to another path"
        ) from error
    except duckdb.Error as error:
        raise WarehouseUnusable(
            f"{home.warehouse} cannot be opened as a warehouse: {_first_line(error)}"
        ) from error


def _memory_limit_bytes() -> int:
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min(MEMORY_LIMIT_BYTES, physical // 2)


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]

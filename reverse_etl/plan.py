"""Reading the plan: a snapshot that is streamed, and a preview that shows nobody's data."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb

from reverse_etl.ledger.schema import EPOCH
from reverse_etl.masking import mask, mask_payload
from reverse_etl.model import Kind, Operation
from warehouse.connection import connect, snapshot, sql_text
from warehouse.errors import KairosError
from warehouse.home import Home

COLUMNS = (
    "operation_id",
    "idempotency_key",
    "destination",
    "kind",
    "operation",
    "object_key",
    "user_key",
    "decision_id",
    "payload",
    "payload_hash",
    "scope",
    "decided_at",
    "planned_at",
    "expires_at",
    "sequence_number",
    "is_retry",
    "field_names",
)
BATCH = 2_000
SLICE = 10_240
"""Operations that are sorted at a time, and stored next to one another in the copy."""
SAMPLE = 5


@dataclass(frozen=True)
class PlannedGroup:
    """How many operations of one sort are planned."""

    destination: str
    kind: str
    operation: str
    object_key: str
    operation_count: int
    retry_count: int
    expired_count: int


@contextmanager
def planned(
    home: Home, destination: str, *, without: Sequence[str] = (), limit: int | None = None
) -> Iterator[Iterator[Operation]]:
    """Copy a destination's plan, then stream it in its order; the warehouse is free meanwhile.

    `without` names audiences whose removals stay out.
    """
    held = ", ".join(sql_text(name) for name in without) or "null"
    query = (
        f"select {', '.join(COLUMNS)} from kairos.sync_plan "
        f"where destination = {sql_text(destination)} "
        f"and not (kind = 'audience' and operation = 'remove' "
        f"and coalesce(object_key in ({held}), false))"
    )
    if limit is not None:
        query += f" order by sequence_number, operation_id limit {int(limit)}"
    home.ensure()
    with TemporaryDirectory(prefix="plan-", dir=home.root) as folder:
        path = snapshot(home, query, Path(folder) / "plan.parquet", group_size=SLICE)
        with duckdb.connect() as connection:
            # a progress bar would be drawn into the standard output, among the results
            connection.execute("set threads = 1; set enable_progress_bar = false")
            yield _stream(connection, path)


def _stream(connection: duckdb.DuckDBPyConnection, path: Path) -> Iterator[Operation]:
    """Sort one slice after another: a million payloads in one sort would be in memory together."""
    rows_of = f"from read_parquet({sql_text(str(path))})"
    slices = connection.execute(
        f"select distinct sequence_number // {SLICE} as slice {rows_of} order by slice"
    ).fetchall()
    for (number,) in slices:
        # a range, because the file knows the lowest and the highest number of its parts
        first = number * SLICE
        cursor = connection.execute(
            f"select * {rows_of} where sequence_number >= {first} "
            f"and sequence_number < {first + SLICE} order by sequence_number, operation_id"
        )
        while rows := cursor.fetchmany(BATCH):
            for row in rows:
                yield _operation(row)


def _operation(row: tuple[Any, ...]) -> Operation:
    """Make an operation of a row: `COLUMNS` are its fields, in the same order."""
    return Operation(
        *row[:3],
        _KINDS[row[3]],
        *row[4:8],
        row[8] or "",
        row[9] or "",
        row[10],
        _utc(row[11]),
        _utc(row[12]) or EPOCH,
        _utc(row[13]),
        row[14],
        bool(row[15]),
        row[16],
    )


_KINDS = {kind.value: kind for kind in Kind}


def _utc(instant: datetime | None) -> datetime | None:
    return None if instant is None else instant.replace(tzinfo=UTC)


def summary(home: Home, destination: str | None, at: datetime) -> list[PlannedGroup]:
    """Count what is planned, by destination, kind, operation and object."""
    with reading_plan(home) as connection:
        rows = connection.execute(
            """
            select
                destination, kind, operation, object_key,
                count(*), count(*) filter (is_retry), count(*) filter (expires_at <= $at)
            from kairos.sync_plan
            where $destination is null or destination = $destination
            group by destination, kind, operation, object_key
            order by destination, kind, operation, object_key
            """,
            {"destination": destination, "at": at.replace(tzinfo=None)},
        ).fetchall()
    return [PlannedGroup(*row) for row in rows]


def sample(home: Home, destination: str | None, count: int = SAMPLE) -> list[dict[str, Any]]:
    """The first operations for each destination, with everything personal masked."""
    with reading_plan(home) as connection:
        rows = connection.execute(
            f"""
            with numbered as (
                select
                    {", ".join(COLUMNS)},
                    row_number() over (
                        partition by destination order by sequence_number, operation_id
                    ) as place
                from kairos.sync_plan
                where $destination is null or destination = $destination
            )

            select {", ".join(COLUMNS)}
            from numbered
            where place <= {int(count)}
            order by destination, place
            """,
            {"destination": destination},
        ).fetchall()
    operations = [_operation(row) for row in rows]
    return [
        {
            "destination": operation.destination,
            "kind": operation.kind,
            "operation": operation.operation,
            "object_key": operation.object_key,
            "user_key": mask(operation.user_key),
            "payload": mask_payload(operation.payload),
            "expires_at": operation.expires_at,
        }
        for operation in operations
    ]


@contextmanager
def reading_plan(home: Home) -> Iterator[duckdb.DuckDBPyConnection]:
    """Read the warehouse; KairosError where there is no plan that this version can read."""
    with connect(home, read_only=True) as connection:
        try:
            yield connection
        except duckdb.CatalogException as error:
            raise KairosError(
                f"{home.warehouse} holds no plan: run `kairos build` first"
            ) from error
        except duckdb.BinderException as error:
            raise KairosError(
                f"{home.warehouse} holds a plan of another version: run `kairos build` first"
            ) from error


def require_plan(home: Home) -> None:
    """Raise KairosError unless there is a plan, and one that this version can read."""
    with reading_plan(home) as connection:
        connection.execute(f"select {', '.join(COLUMNS)} from kairos.sync_plan limit 0")

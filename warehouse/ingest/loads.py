"""The record of what was taken, by content."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from duckdb import DuckDBPyConnection


@dataclass(frozen=True)
class Load:
    """A content that landed: a file, or an entry of a zip."""

    content_sha256: str
    format: str
    source_file: str
    byte_count: int
    row_count: int
    unreadable_count: int
    file_sha256: str
    ignored: tuple[str, ...] = ()
    """Fields for which its format has no place."""


def known_loads(connection: DuckDBPyConnection, **hashes: str) -> list[Load]:
    """Return what was taken with the given `content_sha256` or `file_sha256`."""
    [(column, value)] = hashes.items()
    rows = connection.execute(
        f"""
        select
            content_sha256, format, source_file,
            byte_count, row_count, unreadable_count, file_sha256
        from raw.loads
        where {column} = $value
        order by source_file
        """,
        {"value": value},
    ).fetchall()
    return [Load(*row) for row in rows]


def decided_by(connection: DuckDBPyConnection) -> datetime | None:
    """Return the latest instant, naive UTC, as of which a run worked on what was there; or None."""
    instants = [
        connection.execute(f"select max({column}) from kairos.{table}").fetchone()[0]
        for table, column in (("line_marks", "as_of"), ("trigger_decisions", "decided_at"))
        if connection.execute(
            "select 1 from duckdb_tables() where database_name = current_database() "
            "and schema_name = 'kairos' and table_name = ?",
            [table],
        ).fetchone()
    ]
    return max((instant for instant in instants if instant is not None), default=None)


def record_loads(
    connection: DuckDBPyConnection, loads: Sequence[Load], loaded_at: datetime
) -> None:
    """Remember what was taken, in the transaction that took it."""
    for load in loads:
        connection.execute(
            """
            insert into raw.loads (
                content_sha256, format, source_file, byte_count, row_count, unreadable_count,
                file_sha256, loaded_at
            )
            values ($1, $2, $3, $4, $5, $6, $7, $8)
            """,
            [
                load.content_sha256,
                load.format,
                load.source_file,
                load.byte_count,
                load.row_count,
                load.unreadable_count,
                load.file_sha256,
                loaded_at,
            ],
        )

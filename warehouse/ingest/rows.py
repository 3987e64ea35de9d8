"""Rows into raw tables, each with the file and the line it comes from."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from duckdb import DuckDBPyConnection

from warehouse.ingest.formats import Format
from warehouse.ingest.part import Unreadable


@dataclass(frozen=True)
class Origin:
    """Where rows come from, and the naive UTC instant at which they were loaded."""

    source_file: str
    loaded_at: datetime


@dataclass(frozen=True)
class Landed:
    """How many rows landed, and how many were set aside."""

    row_count: int = 0
    unreadable_count: int = 0

    def __add__(self, other: "Landed") -> "Landed":
        """Sum up two parts of a file."""
        return Landed(
            self.row_count + other.row_count, self.unreadable_count + other.unreadable_count
        )


@dataclass(frozen=True)
class Lines:
    """The line of the n-th row of a relation: counted from `first`, or listed."""

    first: int = 1
    listed: Sequence[int] | None = None

    @property
    def expression(self) -> str:
        """The line of a row in SQL, with `position` counted from 1."""
        return "$first + position - 1" if self.listed is None else "$listed[position]"

    @property
    def parameters(self) -> dict[str, Any]:
        """What the expression refers to."""
        return {"first": self.first} if self.listed is None else {"listed": list(self.listed)}


def insert(
    connection: DuckDBPyConnection, format: Format, origin: Origin, relation: str, lines: Lines
) -> int:
    """Insert a relation of `position` and the fields of a format; return the number of rows."""
    fields = ", ".join(format.fields)
    return _count(
        connection.execute(
            f"""
            insert into {format.table} ({fields}, source_file, source_line, loaded_at)
            select {fields}, $source_file, {lines.expression}, $loaded_at from ({relation})
            """,
            {
                "source_file": origin.source_file,
                "loaded_at": origin.loaded_at,
                **lines.parameters,
            },
        )
    )


def insert_empty(
    connection: DuckDBPyConnection, format: Format, origin: Origin, lines: Sequence[int]
) -> int:
    """Insert events of which no field is known: what is wrong with them is for staging to say."""
    payload = "" if format.columns else ", payload"
    value = "" if format.columns else ", '{}'"
    return _count(
        connection.execute(
            f"""
            insert into {format.table} (source_file, source_line, loaded_at{payload})
            select $source_file, unnest($lines), $loaded_at{value}
            """,
            {"source_file": origin.source_file, "lines": lines, "loaded_at": origin.loaded_at},
        )
    )


def set_aside(
    connection: DuckDBPyConnection, format: Format, origin: Origin, unreadable: Iterable[Unreadable]
) -> None:
    """Keep what is no event, with its reason, its file and its line."""
    lines = list(unreadable)
    if not lines:
        return
    connection.execute(
        """
        insert into raw.unreadable_lines
            (source, source_file, source_line, payload, reason, loaded_at)
        select
            $source, $source_file, unnest($lines), unnest($payloads), unnest($reasons), $loaded_at
        """,
        {
            "source": format.name,
            "source_file": origin.source_file,
            "lines": [line.line for line in lines],
            "payloads": [line.payload for line in lines],
            "reasons": [line.reason for line in lines],
            "loaded_at": origin.loaded_at,
        },
    )


def _count(result: DuckDBPyConnection) -> int:
    row = result.fetchone()
    return int(row[0]) if row else 0

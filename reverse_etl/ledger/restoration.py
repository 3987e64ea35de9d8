"""Fills a ledger that was lost, moved or put back from an older copy with what the warehouse has.

The warehouse keeps a copy of the log of changes. Of it come operations as they stand, the log
under the same numbers, and places under the caps. What happened after the last copy nobody knows.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from reverse_etl.ledger import schema
from reverse_etl.ledger.database import Database
from reverse_etl.ledger.owners import lock_number
from reverse_etl.model import GIVES_BACK, Scope

ALONE = lock_number("kairos ledger restoration")

Row = Mapping[str, Any]


def last_number(connection: sa.Connection, table: sa.Table) -> int:
    """The highest sequence that a log ever gave, whether or not its row is still there."""
    if connection.dialect.name == "sqlite":
        query = sa.text("select max(seq) from sqlite_sequence where name = :name")
    else:
        query = sa.text(
            "select pg_sequence_last_value(pg_get_serial_sequence(:name, 'sequence')::regclass)"
        )
    return connection.scalar(query, {"name": table.name}) or 0


def restore(
    database: Database, changes: Iterable[Sequence[Row]], runs: Iterable[Sequence[Row]]
) -> int:
    """Take in rows of the log, in batches by sequence, that are higher than the ledger's own.

    All of them or none. Answers the number of changes.
    """
    with database.write() as connection:
        if not database.is_sqlite:
            # whoever comes at the same time waits here, and then finds nothing left to do
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(ALONE)))
        last_change = last_number(connection, schema.changes)
        last_run = last_number(connection, schema.run_changes)
        count = 0
        for batch in changes:
            for is_news, rows in _parted(batch, last_change):
                count += len(rows) * is_news
                if is_news:
                    connection.execute(schema.changes.insert(), rows)
                _stand(database, connection, rows, is_news)
                _reserve(database, connection, rows, is_news)
        for batch in runs:
            for is_news, rows in _parted(batch, last_run):
                if is_news:
                    _run(database, connection, rows)
        if not database.is_sqlite:
            _go_on_from(connection, schema.changes)
            _go_on_from(connection, schema.run_changes)
    return count


def _parted(batch: Sequence[Row], last: int) -> Iterator[tuple[bool, list[dict[str, Any]]]]:
    """What this ledger may know, or knows otherwise, which then counts; and what is news to it."""
    for is_news in (False, True):
        rows = [dict(row) for row in batch if (row["sequence"] > last) == is_news]
        if rows:
            yield is_news, rows


def _stand(
    database: Database, connection: sa.Connection, rows: Sequence[dict[str, Any]], is_news: bool
) -> None:
    """Let each operation stand as its last change says, in nobody's hands."""
    last = {row["idempotency_key"]: {**row, "owner_id": None} for row in rows}
    for row in last.values():
        del row["sequence"]
    _upsert(database, connection, schema.operations, list(last.values()), is_news)


def _reserve(
    database: Database, connection: sa.Connection, rows: Sequence[dict[str, Any]], is_news: bool
) -> None:
    """Give each message its place under the caps again, unless it gave it back."""
    places: dict[str, dict[str, Any]] = {}
    for row in rows:
        if row["decision_id"] is None:
            continue
        scope = Scope.parse(row["scope"])
        at = row["sent_at"] or row["planned_at"]
        places[row["decision_id"]] = {
            "decision_id": row["decision_id"],
            "user_key": row["user_key"],
            "account_id": scope.account_id,
            "session_id": scope.session_id,
            "scope": row["scope"],
            "reserved_at": at,
            "released_at": at if row["state"] in GIVES_BACK else None,
            "counts_toward_caps": row["counts_toward_caps"],
        }
    _upsert(database, connection, schema.reservations, list(places.values()), is_news)


def _run(database: Database, connection: sa.Connection, rows: Sequence[dict[str, Any]]) -> None:
    log = [{"sequence": row["sequence"], "run_id": row["run_id"]} for row in rows]
    connection.execute(schema.run_changes.insert(), log)
    last = {row["run_id"]: {**row, "owner_id": row["run_id"]} for row in rows}
    for row in last.values():
        del row["sequence"]
    _upsert(database, connection, schema.runs, list(last.values()), True)


def _upsert(
    database: Database,
    connection: sa.Connection,
    table: sa.Table,
    rows: list[dict[str, Any]],
    is_news: bool,
) -> None:
    if not rows:
        return
    statement = database.insert(table)
    [key] = [column.name for column in table.primary_key]
    changed = {name: statement.excluded[name] for name in rows[0] if name != key}
    connection.execute(
        statement.on_conflict_do_update(index_elements=[key], set_=changed)
        if is_news
        else statement.on_conflict_do_nothing(index_elements=[key]),
        rows,
    )


def _go_on_from(connection: sa.Connection, table: sa.Table) -> None:
    """Number what comes next after what was taken in, which PostgreSQL does not see by itself."""
    connection.execute(
        sa.text(
            "select setval(pg_get_serial_sequence(:name, 'sequence')::regclass, "
            f"(select max(sequence) from {table.name})) "
            f"where exists (select 1 from {table.name})"
        ),
        {"name": table.name},
    )

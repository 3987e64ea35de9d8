"""What the ledger may forget: how things came about, long after, once the warehouse has it.

Every operation keeps its row and the last row of its log, so that no message is sent again and a
new warehouse learns the same truth. Reservations stay for good, because a cap may count for a
lifetime; only those that were given back, which nothing counts, go.
"""

from array import array
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from reverse_etl.ledger import schema
from reverse_etl.ledger.database import Database
from reverse_etl.model import FINAL_STATES, State
from warehouse.errors import KairosError

VARIABLE = "KAIROS_LEDGER_RETENTION_DAYS"
DEFAULT_DAYS = 90.0
FOREVER = "forever"
EVERY = timedelta(days=1)
"""Looking for what may go reads the whole log: not in every run."""
AT_A_TIME = 10_000
"""Rows that go in one transaction: dispatchers wait for it."""

_ENDED = sorted(FINAL_STATES | {State.REJECTED, State.INVALID})


def retention(env: Mapping[str, str]) -> timedelta | None:
    """Read how long the log is kept, from KAIROS_LEDGER_RETENTION_DAYS; None is for ever."""
    text = env.get(VARIABLE) or str(DEFAULT_DAYS)
    if text == FOREVER:
        return None
    try:
        keep = timedelta(days=float(text))
    except (ValueError, OverflowError):
        keep = timedelta(0)
    if keep < timedelta(days=1):
        raise KairosError(
            f"{VARIABLE} is {text!r}: set it to a number of days, 1 or more, or to `{FOREVER}`"
        )
    return keep


def prune(
    database: Database, at: datetime, before: datetime, copied_changes: int, copied_runs: int
) -> int:
    """Take out what is older than `before` and was copied up to these sequences.

    Answers the number of rows; 0, without looking, less than a day after the last time.
    """
    marks = schema.prunings
    with database.read() as connection:
        last = connection.scalar(sa.select(sa.func.max(marks.c.pruned_at)))
        if last is not None and at - last < EVERY:
            return 0
        overtaken = _overtaken_changes(before, copied_changes)
        changes = array("q", connection.scalars(overtaken.execution_options(yield_per=10_000)))
        runs = connection.execute(_old_runs(before, copied_runs)).all()
    count = _forget(database, schema.changes.c.sequence, changes)
    count += _forget(database, schema.run_changes.c.sequence, [run.sequence for run in runs])
    count += _forget(database, schema.runs.c.run_id, [run.run_id for run in runs])
    with database.write() as connection:
        given_back = schema.reservations.delete().where(schema.reservations.c.released_at < before)
        count += connection.execute(given_back).rowcount
        connection.execute(marks.delete())
        connection.execute(marks.insert().values(pruned_at=at, row_count=count))
    return count


def _forget(database: Database, column: sa.Column[Any], keys: Sequence[Any]) -> int:
    """Delete rows by their key, a few at a time: a dispatcher may be waiting to write."""
    count = 0
    for start in range(0, len(keys), AT_A_TIME):
        some = list(keys[start : start + AT_A_TIME])
        with database.write() as connection:
            statement = column.table.delete().where(database.among(column, some))
            count += connection.execute(statement).rowcount
    return count


def _overtaken_changes(before: datetime, copied_to: int) -> sa.Select[tuple[int]]:
    """Rows of the log, older than `before` and copied, that later ones of their operation follow.

    Of an operation that is in doubt or under way, none.
    """
    log, operations = schema.changes, schema.operations
    last = (
        sa.select(log.c.idempotency_key, sa.func.max(log.c.sequence).label("sequence"))
        .group_by(log.c.idempotency_key)
        .subquery()
    )
    written_at = sa.func.coalesce(log.c.acknowledged_at, log.c.sent_at, log.c.planned_at)
    return (
        sa.select(log.c.sequence)
        .join(operations, operations.c.idempotency_key == log.c.idempotency_key)
        .join(last, last.c.idempotency_key == log.c.idempotency_key)
        .where(
            operations.c.state.in_(_ENDED),
            sa.type_coerce(written_at, schema.Instant) < before,
            log.c.sequence <= copied_to,
            log.c.sequence < last.c.sequence,
        )
    )


def _old_runs(before: datetime, copied_to: int) -> sa.Select[tuple[int, str]]:
    """Runs that ended before `before`, by their row in the log of runs, which was copied."""
    log, runs = schema.run_changes, schema.runs
    return (
        sa.select(log.c.sequence, log.c.run_id)
        .join(runs, runs.c.run_id == log.c.run_id)
        .where(runs.c.finished_at < before, log.c.sequence <= copied_to)
    )

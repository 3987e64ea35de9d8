"""One person in the ledger: where they perhaps are, and forgetting them."""

import uuid
from dataclasses import replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from reverse_etl.ledger import schema
from reverse_etl.ledger.database import Database
from reverse_etl.ledger.reservations import scope_text
from reverse_etl.model import Kind, Scope


def memberships(database: Database, user_key: str) -> list[tuple[str, str]]:
    """The destinations and audiences in which somebody perhaps is.

    An addition counts that was sent, whatever became of it, until a later removal was
    acknowledged.
    """
    added: dict[tuple[str, str], datetime] = {}
    removed: dict[tuple[str, str], datetime] = {}
    for row in _operations(database, user_key):
        if row.kind != Kind.AUDIENCE or row.sent_at is None:
            continue
        if row.operation == "add" or row.acknowledged_at is not None:
            latest = added if row.operation == "add" else removed
            place = (row.destination, row.object_key)
            latest[place] = max(row.sent_at, latest.get(place, row.sent_at))
    return sorted(
        place for place, at in added.items() if place not in removed or removed[place] < at
    )


def destinations_of(database: Database, user_key: str) -> list[str]:
    """The destinations that perhaps know somebody: something was sent there."""
    return sorted({row.destination for row in _operations(database, user_key) if row.sent_at})


def _operations(database: Database, user_key: str) -> list[sa.Row[Any]]:
    table = schema.operations
    with database.read() as connection:
        return list(connection.execute(sa.select(table).where(table.c.user_key == user_key)))


def erase(connection: sa.Connection, user_key: str) -> int:
    """Delete operations, the log of their changes and reservations. Answers how many.

    In the caller's transaction. A message that counts against a cap of an account stays, as
    nobody's: without it, others of the account could get too many.
    """
    reserved = schema.reservations
    theirs = reserved.c.user_key == user_key
    counted = connection.execute(
        sa.select(reserved).where(theirs, reserved.c.account_id.is_not(None))
    ).all()
    for row in counted:
        scope = replace(Scope.parse(row.scope), session_id=None)
        connection.execute(
            reserved.insert().values(
                **{
                    **row._mapping,
                    "decision_id": f"erased-{uuid.uuid4().hex}",
                    "user_key": f"erased-{uuid.uuid4().hex}",
                    "session_id": None,
                    "scope": scope_text(scope),
                }
            )
        )
    return sum(
        connection.execute(one.delete().where(one.c.user_key == user_key)).rowcount
        for one in (reserved, schema.changes, schema.operations)
    )

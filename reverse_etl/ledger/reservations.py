"""Places under the caps: who has one, and the last word on who gets one."""

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from reverse_etl.ledger import schema
from reverse_etl.ledger.caps import Guard, Reserved
from reverse_etl.ledger.database import Database
from reverse_etl.ledger.owners import lock_number
from reverse_etl.model import Scope


@dataclass(frozen=True)
class ToReserve:
    """A decision to send that asks for its place under the caps."""

    decision_id: str
    user_key: str
    scope: Scope


def release(
    database: Database, connection: sa.Connection, decision_ids: Sequence[str], at: datetime
) -> None:
    """Give places back, in the caller's transaction: the platform refused them for good."""
    table = schema.reservations
    connection.execute(
        table.update()
        .where(database.among(table.c.decision_id, decision_ids), table.c.released_at.is_(None))
        .values(released_at=at)
    )


def reserve(
    database: Database,
    connection: sa.Connection,
    decisions: Sequence[ToReserve],
    guard: Guard,
    at: datetime,
) -> dict[str, str]:
    """Reserve decisions greedily in their order; answers `{decision_id: cap}` of the blocked.

    In the caller's transaction. Reserving a decision again is the same reservation.
    """
    if not decisions:
        return {}
    _lock_people(database, connection, decisions, guard)
    existing = _live_reservations(database, connection, [d.decision_id for d in decisions])
    by_user, by_account = _histories(database, connection, decisions, guard, at)
    blocked: dict[str, str] = {}
    taken: list[dict[str, Any]] = []
    for decision in decisions:
        if decision.decision_id in existing:
            continue
        account_id = decision.scope.account_id
        history = by_user[decision.user_key]
        if guard.counts_accounts and account_id:
            others = [r for r in by_account[account_id] if r.user_key != decision.user_key]
            history = history + others
        cap = guard.blocked_by(decision.user_key, decision.scope, at, history)
        if cap is not None:
            blocked[decision.decision_id] = cap
            continue
        existing.add(decision.decision_id)
        if decision.scope.counts_toward_caps:
            reserved = Reserved(decision.user_key, at, decision.scope)
            by_user[decision.user_key].append(reserved)
            if account_id:
                by_account[account_id].append(reserved)
        taken.append(
            {
                "decision_id": decision.decision_id,
                "user_key": decision.user_key,
                "account_id": account_id,
                "session_id": decision.scope.session_id,
                "scope": scope_text(decision.scope),
                "reserved_at": at,
                "counts_toward_caps": decision.scope.counts_toward_caps,
            }
        )
    if taken:
        statement = database.insert(schema.reservations)
        connection.execute(
            statement.on_conflict_do_update(
                index_elements=["decision_id"],
                set_={
                    "reserved_at": statement.excluded.reserved_at,
                    "scope": statement.excluded.scope,
                    "released_at": None,
                },
            ),
            sorted(taken, key=lambda row: row["decision_id"]),
        )
    return blocked


def _lock_people(
    database: Database, connection: sa.Connection, decisions: Sequence[ToReserve], guard: Guard
) -> None:
    if database.is_sqlite:
        return  # BEGIN IMMEDIATE holds everything already
    numbers = {lock_number(f"user {d.user_key}") for d in decisions}
    if guard.counts_accounts:
        numbers |= {
            lock_number(f"account {d.scope.account_id}") for d in decisions if d.scope.account_id
        }
    # in one order for everybody, else two of them could wait for each other
    for number in sorted(numbers):
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(number)))


def _live_reservations(
    database: Database, connection: sa.Connection, decision_ids: Sequence[str]
) -> set[str]:
    table = schema.reservations
    return set(
        connection.scalars(
            sa.select(table.c.decision_id).where(
                database.among(table.c.decision_id, decision_ids), table.c.released_at.is_(None)
            )
        )
    )


def _histories(
    database: Database,
    connection: sa.Connection,
    decisions: Sequence[ToReserve],
    guard: Guard,
    at: datetime,
) -> tuple[dict[str, list[Reserved]], dict[str, list[Reserved]]]:
    """What counts already, by person and (where a cap asks for it) by account."""
    table = schema.reservations
    counts = sa.and_(table.c.counts_toward_caps, table.c.released_at.is_(None))
    near: sa.ColumnElement[bool] = sa.true()
    if guard.reach is not None:
        near = table.c.reserved_at.between(at - guard.reach, at + guard.reach)

    if any(cap.window_kind == "session" for cap in guard.caps):
        sessions = {d.scope.session_id for d in decisions if d.scope.session_id}
        near = sa.or_(near, database.among(table.c.session_id, sorted(sessions)))

    def load(column: sa.Column[Any], keys: Iterable[str]) -> dict[str, list[Reserved]]:
        found: dict[str, list[Reserved]] = defaultdict(list)
        wanted = database.among(column, sorted(set(keys)))
        for row in connection.execute(
            sa.select(
                column.label("key"), table.c.user_key, table.c.reserved_at, table.c.scope
            ).where(wanted, counts, near)
        ):
            found[row.key].append(Reserved(row.user_key, row.reserved_at, Scope.parse(row.scope)))
        return found

    by_account: dict[str, list[Reserved]] = defaultdict(list)
    if guard.counts_accounts:
        by_account = load(
            table.c.account_id,
            (d.scope.account_id for d in decisions if d.scope.account_id),
        )
    return load(table.c.user_key, (d.user_key for d in decisions)), by_account


def scope_text(scope: Scope) -> str:
    """Write a scope as it is kept."""
    return json.dumps({name: getattr(scope, name) for name in scope.__dataclass_fields__})

"""The ledger: what was sent, what is under way, and the last word on every cap."""

import itertools
import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from reverse_etl.errors import LedgerUnavailable
from reverse_etl.ledger import people, reservations, restoration, retention, schema
from reverse_etl.ledger.caps import Guard
from reverse_etl.ledger.database import Database
from reverse_etl.ledger.owners import Liveness, Owner, is_alive
from reverse_etl.ledger.reservations import ToReserve
from reverse_etl.model import (
    FINAL_STATES,
    GIVES_BACK,
    UNREPORTED_STATES,
    Kind,
    Operation,
    Result,
    State,
)

LEASE_SECONDS = 60.0


class Standing(StrEnum):
    """What the ledger answers to a claim."""

    CLAIMED = "claimed"
    """Yours to send; nobody else will."""
    DONE = "done"
    """Ended in an earlier run, or left in doubt by one for good: nothing to do."""
    HELD = "held"
    """A living dispatcher has it."""
    SUPPRESSED = "suppressed"
    EXPIRED = "expired"
    INVALID = "invalid"
    IN_DOUBT = "in_doubt"
    """Perhaps sent by a run that died a moment ago, as it turns out, and not to be repeated."""
    SETTLING = "settling"
    """Its person's profile changed a moment ago: a later run sends it."""


@dataclass(frozen=True)
class Claim:
    """An operation and how it stands."""

    operation: Operation
    standing: Standing
    was_in_doubt: bool = False


class Ledger:
    """SQLite in WAL mode or PostgreSQL, behind one set of verbs. Safe to share among threads."""

    def __init__(self, database: Database, lease_seconds: float = LEASE_SECONDS) -> None:
        """Use `Ledger.open`."""
        self._database = database
        # what is run for every operation is composed by hand: SQLAlchemy takes longer to compose a
        # statement than the database to run it
        self._among_keys = "idempotency_key " + (
            "in (select value from json_each(?))" if database.is_sqlite else "= any(?)"
        )
        marks = ", ".join([database.mark] * len(_NEW))
        self._insert_sql = (
            f"insert into operations ({', '.join(_NEW)}) values ({marks}) "
            "on conflict (idempotency_key) do nothing"
        )
        logged = ", ".join(schema.LOGGED)
        self._log_sql = (
            f"insert into operation_changes ({logged}) select {logged} from operations "
            f"where {self._among_keys} order by idempotency_key"
        ).replace("?", database.mark)
        self._liveness = Liveness(database.engine)
        self._lease_seconds = lease_seconds

    @classmethod
    def open(cls, url: str, lease_seconds: float = LEASE_SECONDS) -> "Ledger":
        """Open the ledger at a SQLAlchemy URL and create or bring forward its tables.

        LedgerUnavailable, without the password of the URL, where that cannot be done; LedgerTooNew
        where a newer Kairos was here.
        """
        return cls(Database.open(url), lease_seconds)

    def close(self) -> None:
        """Close every connection."""
        self._database.engine.dispose()

    def __enter__(self) -> "Ledger":
        """Close at the end of the block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    # owners and runs

    def owner(self, owner_id: str) -> Owner:
        """A context in which `owner_id` may claim; leaving it gives back what was not sent."""
        return Owner(owner_id, self._liveness, self._renew, self._forget, self._lease_seconds)

    def _renew(self, owner_id: str) -> None:
        until = time.time() + self._lease_seconds
        statement = self._database.insert(schema.owners).values(
            owner_id=owner_id, lease_until=until
        )
        with self._database.write() as connection:
            connection.execute(
                statement.on_conflict_do_update(
                    index_elements=["owner_id"], set_={"lease_until": until}
                )
            )

    def _forget(self, owner_id: str) -> None:
        table = schema.operations
        with self._database.write() as connection:
            connection.execute(
                table.update().where(table.c.owner_id == owner_id).values(owner_id=None)
            )
            connection.execute(schema.owners.delete().where(schema.owners.c.owner_id == owner_id))

    def start_run(self, run_id: str, destination: str, owner_id: str, at: datetime) -> None:
        """Open a run, and close those of the same destination whose process is gone."""
        table = schema.runs
        with self._database.write() as connection:
            running = connection.execute(
                sa.select(table.c.run_id, table.c.owner_id).where(
                    table.c.destination == destination, table.c.status == "running"
                )
            ).all()
            for other in running:
                if not is_alive(connection, self._liveness, other.owner_id, time.time()):
                    self._close_run(connection, other.run_id, "abandoned", at, None, None)
            connection.execute(
                table.insert().values(
                    run_id=run_id,
                    destination=destination,
                    owner_id=owner_id,
                    started_at=at,
                    status="running",
                )
            )

    def finish_run(
        self,
        run_id: str,
        *,
        status: str,
        at: datetime,
        counts: Mapping[str, int],
        request_count: int,
    ) -> None:
        """Close a run with what it came to."""
        with self._database.write() as connection:
            self._close_run(connection, run_id, status, at, counts, request_count)

    def _close_run(
        self,
        connection: sa.Connection,
        run_id: str,
        status: str,
        at: datetime,
        counts: Mapping[str, int] | None,
        request_count: int | None,
    ) -> None:
        connection.execute(
            schema.runs.update()
            .where(schema.runs.c.run_id == run_id)
            .values(
                status=status,
                finished_at=at,
                counts=json.dumps(dict(counts)) if counts is not None else None,
                request_count=request_count,
            )
        )
        connection.execute(schema.run_changes.insert().values(run_id=run_id))

    # the life of an operation

    def claim(
        self,
        operations: Sequence[Operation],
        *,
        owner_id: str,
        run_id: str,
        at: datetime,
        guard: Guard,
        resends: Callable[[Operation, float], bool],
        invalid: Callable[[Operation], str | None] = lambda _: None,
        settle_seconds: float = 0.0,
    ) -> list[Claim]:
        """Take operations to send, in plan order, reserving the caps of those that need it.

        Answers one claim per operation, in the same order. `resends` is the policy for rows that
        were perhaps sent, so many seconds ago; `invalid` gives the reason why an operation can
        never be sent; nobody is claimed for whose profile was sent in the last `settle_seconds`.
        """
        table = schema.operations
        unique = {operation.idempotency_key: operation for operation in operations}
        keys = sorted(unique)
        with self._database.write() as connection:
            rows = {
                row.idempotency_key: row
                for row in connection.execute(
                    sa.select(
                        table.c.idempotency_key, table.c.state, table.c.owner_id, table.c.sent_at
                    )
                    .where(self._database.among(table.c.idempotency_key, keys))
                    .order_by(table.c.idempotency_key)
                    .with_for_update()
                )
            }
            new = [key for key in keys if key not in rows]
            inserted = self._insert_new(connection, [unique[key] for key in new], owner_id, run_id)
            alive = self._alive(connection, {row.owner_id for row in rows.values()}, owner_id)
            settling = self._settling(connection, unique.values(), at, settle_seconds)
            standings: dict[str, Claim] = {}
            updates: dict[tuple[State, str | None, str | None], list[str]] = defaultdict(list)
            unchanged: list[str] = []
            doubted: list[str] = []
            to_reserve: list[Operation] = []
            for key, operation in unique.items():
                row = rows.get(key)
                if (row is None and key not in inserted) or (row and row.owner_id in alive):
                    standings[key] = Claim(operation, Standing.HELD)
                    continue
                state = State(row.state) if row else State.PLANNED
                in_doubt = state in (State.IN_FLIGHT, State.UNKNOWN)
                if state in FINAL_STATES:
                    standings[key] = Claim(operation, Standing.DONE)
                    continue
                # told once: whoever is in doubt already is nothing new
                left = Standing.IN_DOUBT if state is State.IN_FLIGHT else Standing.DONE
                if state is State.IN_FLIGHT:
                    doubted.append(key)
                age = (at - row.sent_at).total_seconds() if in_doubt and row.sent_at else 0.0
                if in_doubt and not resends(operation, age):
                    standings[key] = Claim(operation, left, True)
                elif operation.expires_at is not None and operation.expires_at <= at:
                    # perhaps it arrived in time: a row in doubt stays in doubt
                    if in_doubt:
                        standings[key] = Claim(operation, left, True)
                    else:
                        standings[key] = Claim(operation, Standing.EXPIRED)
                        updates[State.EXPIRED, "expired", None].append(key)
                elif reason := invalid(operation):
                    standings[key] = Claim(operation, Standing.INVALID)
                    updates[State.INVALID, "invalid", reason].append(key)
                elif operation.kind is not Kind.PROFILE and operation.user_key in settling:
                    standings[key] = Claim(operation, Standing.SETTLING)
                else:
                    standings[key] = Claim(operation, Standing.CLAIMED, in_doubt)
                    if operation.decision_id is not None:
                        to_reserve.append(operation)
                    elif row is None:
                        unchanged.append(key)
                    else:
                        updates[_taken(operation, in_doubt)].append(key)

            blocked = reservations.reserve(
                self._database,
                connection,
                [ToReserve(o.decision_id or "", o.user_key, o.scope) for o in to_reserve],
                guard,
                at,
            )
            for operation in to_reserve:
                key = operation.idempotency_key
                cap = blocked.get(operation.decision_id or "")
                if cap is None:
                    updates[_taken(operation, standings[key].was_in_doubt)].append(key)
                else:
                    standings[key] = Claim(operation, Standing.SUPPRESSED)
                    updates[State.SUPPRESSED, "cap", cap].append(key)

            self._log(connection, unchanged)
            self._doubt(connection, doubted)
            for (state, code, message), changed in updates.items():
                self._set(
                    connection,
                    changed,
                    {
                        "state = ?": state,
                        "run_id = ?": run_id,
                        "owner_id = ?": owner_id if state in _CLAIMED else None,
                        "error_code = ?": code,
                        "error_message = ?": message,
                    },
                )
        return [standings[operation.idempotency_key] for operation in unique.values()]

    def _insert_new(
        self,
        connection: sa.Connection,
        operations: Sequence[Operation],
        owner_id: str,
        run_id: str,
    ) -> set[str]:
        """Write operations that nobody has seen, as claimed; answers the keys of those.

        Another dispatcher may have been faster, though a moment ago there was none.
        """
        if not operations:
            return set()
        planned = State.PLANNED.value
        done = connection.exec_driver_sql(
            self._insert_sql,
            [
                (
                    o.idempotency_key,
                    o.operation_id,
                    owner_id,
                    run_id,
                    o.destination,
                    o.kind.value,
                    o.operation,
                    o.object_key,
                    o.user_key,
                    o.decision_id,
                    o.payload_hash,
                    o.field_names,
                    planned,
                    0,
                    schema.to_micros(o.planned_at),
                    o.expires_at and schema.to_micros(o.expires_at),
                    o.scope_text,
                    o.decision_id is not None and o.scope.counts_toward_caps,
                )
                for o in operations
            ],
        )
        keys = [o.idempotency_key for o in operations]
        if done.rowcount == len(keys):
            return set(keys)
        return set(
            self._database.run(
                connection,
                f"select idempotency_key from operations where {self._among_keys} and owner_id = ?",
                [self._database.listed(keys), owner_id],
            )
        )

    def _settling(
        self,
        connection: sa.Connection,
        operations: Iterable[Operation],
        at: datetime,
        seconds: float,
    ) -> set[str]:
        """Whose profile was perhaps or certainly changed so shortly before `at`."""
        if not seconds:
            return set()
        table = schema.operations
        asked = [o for o in operations if o.kind is not Kind.PROFILE]
        return set(
            connection.scalars(
                sa.select(table.c.user_key).where(
                    self._database.among(table.c.user_key, sorted({o.user_key for o in asked})),
                    self._database.among(
                        table.c.destination, sorted({o.destination for o in asked})
                    ),
                    table.c.kind == Kind.PROFILE,
                    table.c.sent_at > at - timedelta(seconds=seconds),
                )
            )
        )

    def _alive(
        self, connection: sa.Connection, owner_ids: Iterable[str | None], me: str
    ) -> set[str | None]:
        now = time.time()
        return {
            owner
            for owner in owner_ids
            if owner is not None
            and (owner == me or is_alive(connection, self._liveness, owner, now))
        }

    def _doubt(self, connection: sa.Connection, keys: Sequence[str]) -> None:
        self._set(
            connection,
            keys,
            {
                "state = ?": State.UNKNOWN,
                "owner_id = ?": None,
                "error_code = ?": "run_died",
                "error_message = ?": "the run that was sending it ended without an answer",
            },
        )

    def _set(
        self,
        connection: sa.Connection,
        keys: Sequence[str],
        assignments: Mapping[str, Any],
        *,
        owner_id: str | None = None,
    ) -> list[str]:
        """Change operations and log the change; with `owner_id`, only those it still holds.

        Each assignment is SQL, `column = ?`, with the value that stands for its mark.
        """
        if not keys:
            return []
        values = [
            schema.to_micros(value) if isinstance(value, datetime) else value
            for value in assignments.values()
        ]
        values.append(self._database.listed(sorted(keys)))
        statement = f"update operations set {', '.join(assignments)} where {self._among_keys}"
        if owner_id is not None:
            # not a bare column: an index of it would be searched, and all that a run holds read
            statement += " and coalesce(owner_id, '') = ?"
            values.append(owner_id)
        changed = sorted(
            self._database.run(connection, f"{statement} returning idempotency_key", values)
        )
        self._log(connection, changed)
        return changed

    def _log(self, connection: sa.Connection, keys: Sequence[str]) -> None:
        if keys:
            connection.exec_driver_sql(self._log_sql, (self._database.listed(keys),))

    def begin(self, keys: Sequence[str], owner_id: str, at: datetime) -> set[str]:
        """Write, before the request, that it is under way; answers the keys still held."""
        with self._database.write() as connection:
            return set(
                self._set(
                    connection,
                    keys,
                    {
                        "state = ?": State.IN_FLIGHT,
                        "attempt_count = attempt_count + ?": 1,
                        # what perhaps arrived before counts from then: so do vendors
                        "sent_at = case when state = 'unknown' then sent_at else ? end": at,
                    },
                    owner_id=owner_id,
                )
            )

    def finish(
        self, results: Sequence[tuple[Operation, Result]], owner_id: str, at: datetime
    ) -> None:
        """Write what became of operations; what was refused for good gives its reservation back."""
        groups: dict[Result, list[Operation]] = defaultdict(list)
        for result, pairs in itertools.groupby(results, lambda pair: pair[1]):
            groups[result] += [operation for operation, _ in pairs]
        with self._database.write() as connection:
            for result, group in groups.items():
                changed = self._set(
                    connection,
                    [operation.idempotency_key for operation in group],
                    {
                        "state = ?": result.state,
                        # what this run may try again stays in its hands
                        **({} if result.state in _OPEN else {"owner_id = ?": None}),
                        "acknowledged_at = ?": at if result.state is State.ACCEPTED else None,
                        "http_status = ?": result.http_status,
                        "error_code = ?": result.error_code,
                        "error_message = ?": result.error_message,
                    },
                    owner_id=owner_id,
                )
                if result.state in GIVES_BACK:
                    held = set(changed)
                    reservations.release(
                        self._database,
                        connection,
                        [
                            operation.decision_id
                            for operation in group
                            if operation.decision_id and operation.idempotency_key in held
                        ],
                        at,
                    )

    def confirm(self, reports: Sequence[tuple[str, State]], at: datetime) -> int:
        """Write down how far messages got, by idempotency key: `delivered`, or further, `shown`.

        Such a report ends a doubt. What a living dispatcher has in hand is left for later, what was
        refused or never sent stays as it is. Answers how many operations changed.
        """
        table = schema.operations
        keys = sorted(key for key, _ in reports)
        with self._database.write() as connection:
            rows = {
                row.idempotency_key: row
                for row in connection.execute(
                    sa.select(table.c.idempotency_key, table.c.state, table.c.owner_id)
                    .where(self._database.among(table.c.idempotency_key, keys))
                    .order_by(table.c.idempotency_key)
                    .with_for_update()
                )
            }
            alive = self._alive(connection, {row.owner_id for row in rows.values()}, me="")
            further: dict[State, list[str]] = defaultdict(list)
            for key, state in reports:
                row = rows.get(key)
                if row is not None and row.owner_id not in alive and row.state in _BEFORE[state]:
                    further[state].append(key)
            return sum(
                len(
                    self._set(
                        connection,
                        changed,
                        {
                            "state = ?": state,
                            "owner_id = ?": None,
                            # known from now on, whenever it was
                            "acknowledged_at = coalesce(acknowledged_at, ?)": at,
                            "error_code = ?": None,
                            "error_message = ?": None,
                        },
                    )
                )
                for state, changed in sorted(further.items())
            )

    # reservations

    def reserve(self, decisions: Sequence[ToReserve], guard: Guard, at: datetime) -> dict[str, str]:
        """Reserve decisions greedily in their order; answers `{decision_id: cap}` of the blocked.

        Reserving a decision again is the same reservation.
        """
        with self._database.write() as connection:
            return reservations.reserve(self._database, connection, decisions, guard, at)

    def release(self, decision_ids: Sequence[str], at: datetime) -> None:
        """Give reservations back: the platform refused them for good."""
        with self._database.write() as connection:
            reservations.release(self._database, connection, decision_ids, at)

    # what others read

    def changes_after(self, sequence: int, limit: int) -> list[sa.Row[Any]]:
        """The next changes in order of sequence; none that comes later has a smaller number."""
        with self._database.read() as connection:
            horizon = self._database.horizon(connection, schema.changes.c.sequence)
            table = schema.changes
            return list(
                connection.execute(
                    sa.select(table)
                    .where(table.c.sequence > sequence, table.c.sequence <= horizon)
                    .order_by(table.c.sequence)
                    .limit(limit)
                )
            )

    def runs_after(self, sequence: int, limit: int) -> list[sa.Row[Any]]:
        """Finished runs in the order in which they finished, with their sequence."""
        log, table = schema.run_changes, schema.runs
        with self._database.read() as connection:
            horizon = self._database.horizon(connection, log.c.sequence)
            return list(
                connection.execute(
                    sa.select(log.c.sequence, table)
                    .join(table, table.c.run_id == log.c.run_id)
                    .where(log.c.sequence > sequence, log.c.sequence <= horizon)
                    .order_by(log.c.sequence)
                    .limit(limit)
                )
            )

    # one person

    def memberships(self, user_key: str) -> list[tuple[str, str]]:
        """The destinations and audiences in which somebody perhaps is."""
        return people.memberships(self._database, user_key)

    def destinations_of(self, user_key: str) -> list[str]:
        """The destinations that perhaps know somebody: something was sent there."""
        return people.destinations_of(self._database, user_key)

    def erase(self, user_key: str) -> int:
        """Forget somebody; LedgerUnavailable while a run is delivering. Answers how many rows."""
        with self._database.write() as connection:
            self._require_idle(connection)
            return people.erase(connection, user_key)

    def require_idle(self) -> None:
        """Raise LedgerUnavailable while a run is delivering."""
        with self._database.write() as connection:
            self._require_idle(connection)

    def _require_idle(self, connection: sa.Connection) -> None:
        owners = connection.scalars(sa.select(schema.owners.c.owner_id)).all()
        if self._alive(connection, owners, me=""):
            raise LedgerUnavailable("a run is delivering: run this again when it has ended")

    # what may be forgotten

    def prune(self, keep: timedelta, at: datetime, *, copied_changes: int, copied_runs: int) -> int:
        """Take out what is older than `keep`, was copied, and decides nothing any more.

        `copied_changes` and `copied_runs` are the highest sequences that the warehouse holds.
        Answers the number of rows; 0, without looking, when this was done less than a day before.
        """
        return retention.prune(self._database, at, at - keep, copied_changes, copied_runs)

    def is_behind(self, change: int, run: int) -> bool:
        """Whether it never came as far as these sequences: it is not the one that gave them."""
        with self._database.read() as connection:
            return (
                restoration.last_number(connection, schema.changes) < change
                or restoration.last_number(connection, schema.run_changes) < run
            )

    def restore(
        self,
        changes: Iterable[Sequence[restoration.Row]],
        runs: Iterable[Sequence[restoration.Row]],
    ) -> int:
        """Take in what another one knew of changes and runs; answers the number of changes."""
        return restoration.restore(self._database, changes, runs)

    def clear(self) -> None:
        """Forget everything: for tests that begin again on one database."""
        with self._database.write() as connection:
            for table in reversed(schema.metadata.sorted_tables):
                if table is not schema.versions:
                    connection.execute(table.delete())

    def operations(self, destination: str | None = None) -> list[sa.Row[Any]]:
        """Every operation as it stands, for tests and people; not for large ledgers."""
        statement = sa.select(schema.operations).order_by(schema.operations.c.idempotency_key)
        if destination is not None:
            statement = statement.where(schema.operations.c.destination == destination)
        with self._database.read() as connection:
            return list(connection.execute(statement))


_NEW = (
    "idempotency_key",
    "operation_id",
    "owner_id",
    "run_id",
    "destination",
    "kind",
    "operation",
    "object_key",
    "user_key",
    "decision_id",
    "payload_hash",
    "field_names",
    "state",
    "attempt_count",
    "planned_at",
    "expires_at",
    "scope",
    "counts_toward_caps",
)
_CLAIMED = (State.PLANNED, State.RESERVED, State.UNKNOWN)
_OPEN = (State.RETRYABLE, State.UNKNOWN)
_BEFORE = {
    State.DELIVERED: UNREPORTED_STATES,
    State.SHOWN: (*UNREPORTED_STATES, State.DELIVERED),
}
# as the macro `gives_back` says to the warehouse; a platform suppresses whom it was told to forget


def _taken(operation: Operation, in_doubt: bool) -> tuple[State, str | None, str | None]:
    """How a claimed operation stands; a doubt lasts until an answer ends it."""
    if in_doubt:
        return State.UNKNOWN, "run_died", "an earlier run ended without an answer"
    return (State.PLANNED if operation.decision_id is None else State.RESERVED), None, None

"""The ledger: what was sent, what is under way, and the last word on every cap."""

import itertools
import json
import threading
import time
import uuid
from array import array
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from reverse_etl.errors import LedgerUnavailable
from reverse_etl.ledger import migrations, retention, schema
from reverse_etl.ledger.caps import Guard, Reserved
from reverse_etl.ledger.owners import Liveness, Owner, is_alive, lock_number
from reverse_etl.model import FINAL_STATES, UNREPORTED_STATES, Kind, Operation, Result, Scope, State

LEASE_SECONDS = 60.0
BUSY_TIMEOUT_MS = 60_000
WRITERS = lock_number("kairos ledger writers")
CREATION = lock_number("kairos ledger creation")


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


@dataclass(frozen=True)
class ToReserve:
    """A decision to send that asks for its place under the caps."""

    decision_id: str
    user_key: str
    scope: Scope


class Ledger:
    """SQLite in WAL mode or PostgreSQL, behind one set of verbs. Safe to share among threads."""

    def __init__(self, engine: sa.Engine, lease_seconds: float = LEASE_SECONDS) -> None:
        """Use `Ledger.open`."""
        self._engine = engine
        self._is_sqlite = engine.dialect.name == "sqlite"
        self._insert = sqlite.insert if self._is_sqlite else postgresql.insert
        # what is run for every operation is composed by hand: SQLAlchemy takes longer to compose a
        # statement than the database to run it
        self._mark = "?" if self._is_sqlite else "%s"
        self._among_keys = "idempotency_key " + (
            "in (select value from json_each(?))" if self._is_sqlite else "= any(%s)"
        )
        self._insert_sql = (
            f"insert into operations ({', '.join(_NEW)}) values "
            f"({', '.join([self._mark] * len(_NEW))}) on conflict (idempotency_key) do nothing"
        )
        self._log_sql = (
            f"insert into operation_changes ({', '.join(schema.LOGGED)}) "
            f"select {', '.join(schema.LOGGED)} from operations "
            f"where {self._among_keys} order by idempotency_key"
        )
        self._liveness = Liveness(engine)
        self._lease_seconds = lease_seconds
        # SQLite has one writer: threads of this process queue here instead of polling the file
        self._turn = threading.RLock()

    @classmethod
    def open(cls, url: str, lease_seconds: float = LEASE_SECONDS) -> "Ledger":
        """Open the ledger at a SQLAlchemy URL and create or bring forward its tables.

        LedgerUnavailable, without the password of the URL, where that cannot be done; LedgerTooNew
        where a newer Kairos was here.
        """
        try:
            engine = _engine(sa.make_url(url))
            ledger = cls(engine, lease_seconds)
            ledger._create()
        except (sa.exc.SQLAlchemyError, OSError) as error:
            raise LedgerUnavailable(
                f"the ledger at {_safe(url)} cannot be opened ({_reason(error)}): "
                "check KAIROS_LEDGER_URL and that its database is up"
            ) from error
        return ledger

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    def __enter__(self) -> "Ledger":
        """Close at the end of the block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def _create(self) -> None:
        with self._read() as connection:
            if migrations.is_current(connection):
                return
        with self._write() as connection:
            # whoever opens it at the same time waits here, and then finds nothing left to do
            if not self._is_sqlite:
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(CREATION)))
            migrations.migrate(connection)

    @contextmanager
    def _write(self) -> Iterator[sa.Connection]:
        """One transaction that writes, alone on SQLite, announced to readers on PostgreSQL."""
        try:
            if self._is_sqlite:
                with self._turn, self._engine.begin() as connection:
                    yield connection
            else:
                with self._engine.begin() as connection:
                    # before any row lock: whoever reads the log waits for those who write it
                    connection.exec_driver_sql(f"select pg_advisory_xact_lock_shared({WRITERS})")
                    yield connection
        except sa.exc.OperationalError as error:
            raise LedgerUnavailable(
                f"the ledger at {_safe(self._engine.url)} cannot be written ({_reason(error)}): "
                "run the command again, nothing that was sent is forgotten"
            ) from error

    @contextmanager
    def _read(self) -> Iterator[sa.Connection]:
        with self._engine.connect().execution_options(kairos_reads=True) as connection:
            yield connection

    # owners and runs

    def owner(self, owner_id: str) -> Owner:
        """A context in which `owner_id` may claim; leaving it gives back what was not sent."""
        return Owner(owner_id, self._liveness, self._renew, self._forget, self._lease_seconds)

    def _renew(self, owner_id: str) -> None:
        until = time.time() + self._lease_seconds
        statement = self._insert(schema.owners).values(owner_id=owner_id, lease_until=until)
        with self._write() as connection:
            connection.execute(
                statement.on_conflict_do_update(
                    index_elements=["owner_id"], set_={"lease_until": until}
                )
            )

    def _forget(self, owner_id: str) -> None:
        table = schema.operations
        with self._write() as connection:
            connection.execute(
                table.update().where(table.c.owner_id == owner_id).values(owner_id=None)
            )
            connection.execute(schema.owners.delete().where(schema.owners.c.owner_id == owner_id))

    def start_run(self, run_id: str, destination: str, owner_id: str, at: datetime) -> None:
        """Open a run, and close those of the same destination whose process is gone."""
        table = schema.runs
        with self._write() as connection:
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
        with self._write() as connection:
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
        with self._write() as connection:
            rows = {
                row.idempotency_key: row
                for row in connection.execute(
                    sa.select(
                        table.c.idempotency_key, table.c.state, table.c.owner_id, table.c.sent_at
                    )
                    .where(self._among(table.c.idempotency_key, keys))
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

            blocked = self._reserve(
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
            self._run(
                connection,
                f"select idempotency_key from operations where {self._among_keys} and owner_id = ?",
                [self._listed(keys), owner_id],
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
                    self._among(table.c.user_key, sorted({o.user_key for o in asked})),
                    self._among(table.c.destination, sorted({o.destination for o in asked})),
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
        values.append(self._listed(sorted(keys)))
        statement = f"update operations set {', '.join(assignments)} where {self._among_keys}"
        if owner_id is not None:
            # not a bare column: an index of it would be searched, and all that a run holds read
            statement += " and coalesce(owner_id, '') = ?"
            values.append(owner_id)
        changed = sorted(self._run(connection, f"{statement} returning idempotency_key", values))
        self._log(connection, changed)
        return changed

    def _log(self, connection: sa.Connection, keys: Sequence[str]) -> None:
        if keys:
            connection.exec_driver_sql(self._log_sql, (self._listed(keys),))

    def _run(self, connection: sa.Connection, statement: str, values: Sequence[Any]) -> list[Any]:
        """Run SQL with `?` for values; answers its first column."""
        marked = statement.replace("?", self._mark)
        return list(connection.exec_driver_sql(marked, tuple(values)).scalars().all())

    def _listed(self, keys: Sequence[str]) -> Any:
        """Many keys as one parameter, whatever their number."""
        return json.dumps(list(keys)) if self._is_sqlite else list(keys)

    def _among(self, column: sa.Column[Any], keys: Sequence[Any]) -> sa.ColumnElement[bool]:
        """Whether a column holds one of many keys, as one parameter whatever their number."""
        if self._is_sqlite:
            each = sa.func.json_each(self._listed(keys)).table_valued("value")
            return column.in_(sa.select(each.c.value))
        return column == sa.any_(sa.bindparam(None, list(keys), type_=sa.ARRAY(column.type)))

    def begin(self, keys: Sequence[str], owner_id: str, at: datetime) -> set[str]:
        """Write, before the request, that it is under way; answers the keys still held."""
        with self._write() as connection:
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
        with self._write() as connection:
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
                if result.state in _GIVES_BACK:
                    held = set(changed)
                    self._release(
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
        with self._write() as connection:
            rows = {
                row.idempotency_key: row
                for row in connection.execute(
                    sa.select(table.c.idempotency_key, table.c.state, table.c.owner_id)
                    .where(self._among(table.c.idempotency_key, keys))
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
        with self._write() as connection:
            return self._reserve(connection, decisions, guard, at)

    def release(self, decision_ids: Sequence[str], at: datetime) -> None:
        """Give reservations back: the platform refused them for good."""
        with self._write() as connection:
            self._release(connection, decision_ids, at)

    def _release(
        self, connection: sa.Connection, decision_ids: Sequence[str], at: datetime
    ) -> None:
        table = schema.reservations
        connection.execute(
            table.update()
            .where(self._among(table.c.decision_id, decision_ids), table.c.released_at.is_(None))
            .values(released_at=at)
        )

    def _reserve(
        self,
        connection: sa.Connection,
        decisions: Sequence[ToReserve],
        guard: Guard,
        at: datetime,
    ) -> dict[str, str]:
        if not decisions:
            return {}
        self._lock_people(connection, decisions, guard)
        existing = self._live_reservations(connection, [d.decision_id for d in decisions])
        by_user, by_account = self._histories(connection, decisions, guard, at)
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
                    "scope": _scope_text(decision.scope),
                    "reserved_at": at,
                    "counts_toward_caps": decision.scope.counts_toward_caps,
                }
            )
        if taken:
            statement = self._insert(schema.reservations)
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
        self, connection: sa.Connection, decisions: Sequence[ToReserve], guard: Guard
    ) -> None:
        if self._is_sqlite:
            return  # BEGIN IMMEDIATE holds everything already
        numbers = {lock_number(f"user {d.user_key}") for d in decisions}
        if guard.counts_accounts:
            numbers |= {
                lock_number(f"account {d.scope.account_id}")
                for d in decisions
                if d.scope.account_id
            }
        # in one order for everybody, else two of them could wait for each other
        for number in sorted(numbers):
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(number)))

    def _live_reservations(
        self, connection: sa.Connection, decision_ids: Sequence[str]
    ) -> set[str]:
        table = schema.reservations
        return set(
            connection.scalars(
                sa.select(table.c.decision_id).where(
                    self._among(table.c.decision_id, decision_ids), table.c.released_at.is_(None)
                )
            )
        )

    def _histories(
        self,
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
            near = sa.or_(near, self._among(table.c.session_id, sorted(sessions)))

        def load(column: sa.Column[Any], keys: Iterable[str]) -> dict[str, list[Reserved]]:
            found: dict[str, list[Reserved]] = defaultdict(list)
            wanted = self._among(column, sorted(set(keys)))
            for row in connection.execute(
                sa.select(
                    column.label("key"), table.c.user_key, table.c.reserved_at, table.c.scope
                ).where(wanted, counts, near)
            ):
                found[row.key].append(
                    Reserved(row.user_key, row.reserved_at, Scope.parse(row.scope))
                )
            return found

        by_account: dict[str, list[Reserved]] = defaultdict(list)
        if guard.counts_accounts:
            by_account = load(
                table.c.account_id,
                (d.scope.account_id for d in decisions if d.scope.account_id),
            )
        return load(table.c.user_key, (d.user_key for d in decisions)), by_account

    # what others read

    def changes_after(self, sequence: int, limit: int) -> list[sa.Row[Any]]:
        """The next changes in order of sequence; none that comes later has a smaller number."""
        with self._read() as connection:
            horizon = self._horizon(connection, schema.changes.c.sequence)
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
        with self._read() as connection:
            horizon = self._horizon(connection, log.c.sequence)
            return list(
                connection.execute(
                    sa.select(log.c.sequence, table)
                    .join(table, table.c.run_id == log.c.run_id)
                    .where(log.c.sequence > sequence, log.c.sequence <= horizon)
                    .order_by(log.c.sequence)
                    .limit(limit)
                )
            )

    def _horizon(self, connection: sa.Connection, column: sa.Column[int]) -> int:
        """The highest number below which no transaction can still add one.

        PostgreSQL hands out numbers before their transactions commit, in any order. Whoever writes
        shares a lock, so taking it alone for a moment means that no number is on its way.
        """
        if not self._is_sqlite:
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(WRITERS)))
        horizon = connection.scalar(sa.select(sa.func.max(column))) or 0
        connection.rollback()
        return horizon

    # one person

    def memberships(self, user_key: str) -> list[tuple[str, str]]:
        """The destinations and audiences in which somebody perhaps is.

        An addition counts that was sent, whatever became of it, until a later removal was
        acknowledged.
        """
        added: dict[tuple[str, str], datetime] = {}
        removed: dict[tuple[str, str], datetime] = {}
        for row in self._of_person(user_key):
            if row.kind != Kind.AUDIENCE or row.sent_at is None:
                continue
            if row.operation == "add" or row.acknowledged_at is not None:
                latest = added if row.operation == "add" else removed
                place = (row.destination, row.object_key)
                latest[place] = max(row.sent_at, latest.get(place, row.sent_at))
        return sorted(
            place for place, at in added.items() if place not in removed or removed[place] < at
        )

    def destinations_of(self, user_key: str) -> list[str]:
        """The destinations that perhaps know somebody: something was sent there."""
        return sorted({row.destination for row in self._of_person(user_key) if row.sent_at})

    def _of_person(self, user_key: str) -> list[sa.Row[Any]]:
        table = schema.operations
        with self._read() as connection:
            return list(connection.execute(sa.select(table).where(table.c.user_key == user_key)))

    def require_idle(self) -> None:
        """Raise LedgerUnavailable while a run is delivering."""
        with self._write() as connection:
            self._require_idle(connection)

    def _require_idle(self, connection: sa.Connection) -> None:
        owners = connection.scalars(sa.select(schema.owners.c.owner_id)).all()
        if self._alive(connection, owners, me=""):
            raise LedgerUnavailable("a run is delivering: run this again when it has ended")

    def erase(self, user_key: str) -> int:
        """Forget somebody: operations, the log of their changes, reservations. Answers how many.

        A message that counts against a cap of an account stays, as nobody's: without it, others of
        the account could get too many. LedgerUnavailable while a run is delivering.
        """
        table, reserved = schema.operations, schema.reservations
        with self._write() as connection:
            self._require_idle(connection)
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
                            "scope": _scope_text(scope),
                        }
                    )
                )
            return sum(
                connection.execute(one.delete().where(one.c.user_key == user_key)).rowcount
                for one in (reserved, schema.changes, table)
            )

    # what may be forgotten

    def prune(self, keep: timedelta, at: datetime, *, copied_changes: int, copied_runs: int) -> int:
        """Take out what is older than `keep`, was copied, and decides nothing any more.

        `copied_changes` and `copied_runs` are the highest sequences that the warehouse holds.
        Answers the number of rows; 0, without looking, when this was done less than a day before.
        """
        before, marks = at - keep, schema.prunings
        with self._read() as connection:
            last = connection.scalar(sa.select(sa.func.max(marks.c.pruned_at)))
            if last is not None and at - last < retention.EVERY:
                return 0
            overtaken = retention.overtaken_changes(before, copied_changes)
            changes = array("q", connection.scalars(overtaken.execution_options(yield_per=10_000)))
            runs = connection.execute(retention.old_runs(before, copied_runs)).all()
        count = self._forget_rows(schema.changes.c.sequence, changes)
        count += self._forget_rows(schema.run_changes.c.sequence, [run.sequence for run in runs])
        count += self._forget_rows(schema.runs.c.run_id, [run.run_id for run in runs])
        with self._write() as connection:
            given_back = schema.reservations.delete().where(
                schema.reservations.c.released_at < before
            )
            count += connection.execute(given_back).rowcount
            connection.execute(marks.delete())
            connection.execute(marks.insert().values(pruned_at=at, row_count=count))
        return count

    def _forget_rows(self, column: sa.Column[Any], keys: Sequence[Any]) -> int:
        """Delete rows by their key, a few at a time: a dispatcher may be waiting to write."""
        count = 0
        for start in range(0, len(keys), retention.AT_A_TIME):
            some = list(keys[start : start + retention.AT_A_TIME])
            with self._write() as connection:
                statement = column.table.delete().where(self._among(column, some))
                count += connection.execute(statement).rowcount
        return count

    def clear(self) -> None:
        """Forget everything: for tests that begin again on one database."""
        with self._write() as connection:
            for table in reversed(schema.metadata.sorted_tables):
                if table is not schema.versions:
                    connection.execute(table.delete())

    def operations(self, destination: str | None = None) -> list[sa.Row[Any]]:
        """Every operation as it stands, for tests and people; not for large ledgers."""
        statement = sa.select(schema.operations).order_by(schema.operations.c.idempotency_key)
        if destination is not None:
            statement = statement.where(schema.operations.c.destination == destination)
        with self._read() as connection:
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
_GIVES_BACK = (State.REJECTED, State.INVALID, State.SUPPRESSED)


def _taken(operation: Operation, in_doubt: bool) -> tuple[State, str | None, str | None]:
    """How a claimed operation stands; a doubt lasts until an answer ends it."""
    if in_doubt:
        return State.UNKNOWN, "run_died", "an earlier run ended without an answer"
    return (State.PLANNED if operation.decision_id is None else State.RESERVED), None, None


def _scope_text(scope: Scope) -> str:
    return json.dumps({name: getattr(scope, name) for name in scope.__dataclass_fields__})


def _safe(url: str | sa.URL) -> str:
    try:
        return sa.make_url(url).render_as_string(hide_password=True)
    except sa.exc.ArgumentError:
        return "KAIROS_LEDGER_URL"


def _reason(error: Exception) -> str:
    return str(getattr(error, "orig", None) or error).strip().splitlines()[0]


def _engine(url: sa.URL) -> sa.Engine:
    if url.get_backend_name() != "sqlite":
        return sa.create_engine(url, pool_size=8, max_overflow=64, pool_pre_ping=True)
    if not url.database:
        raise OSError("a ledger in memory would forget what it sent")
    path = Path(url.database)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.touch(mode=0o600, exist_ok=True)
    engine = sa.create_engine(url, pool_size=8, max_overflow=64)

    @sa.event.listens_for(engine, "connect")
    def configure(connection: Any, _: Any) -> None:
        # BEGIN is ours (below), not the driver's
        connection.isolation_level = None
        connection.execute(f"pragma busy_timeout = {BUSY_TIMEOUT_MS}")
        connection.execute("pragma journal_mode = wal")
        # a send must not be forgotten when the power fails, or it would be repeated
        connection.execute("pragma synchronous = full")
        # what is erased must not stay readable in the file
        connection.execute("pragma secure_delete = on")

    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        reads = connection.get_execution_options().get("kairos_reads")
        connection.exec_driver_sql("begin" if reads else "begin immediate")

    return engine

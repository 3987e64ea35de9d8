"""What follows the ledger: a run that reads what came since the last one leaves what all would."""

from dataclasses import dataclass
from datetime import UTC

import duckdb
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.harness import insert, instant
from tests.laws.incremental import replace_what_changed, strategies
from warehouse import erasure
from warehouse.compiled import CompiledProject
from warehouse.landing import ensure_raw

OPERATIONS = (
    ("add", "audience", "ann"),
    ("remove", "audience", "ann"),
    ("add", "audience", "ann"),
    ("update", "profile", "ann"),
    ("send", "moment", "bob"),
    ("add", "audience", "bob"),
)
STATES = ("planned", "in_flight", "accepted", "accepted", "shown", "rejected", "unknown")
TABLES = ("stg_ledger__sync_operations", "sync_state")


@dataclass(frozen=True)
class Change:
    """A row of the ledger's log."""

    operation: int
    state: str
    acknowledged: int = 0
    after: int = 0
    """How much later than its copy it happened, from which on it is known: a clock that is ahead,
    or a copy for a run in the past."""


@dataclass(frozen=True)
class Turn:
    """What is copied, whom one erases before it, and how far a run then comes."""

    changes: tuple[Change, ...] = ()
    erased: str | None = None
    is_killed: bool = False
    elapsed: int = 1
    """Since the last turn: a run may be repeated at one instant, after the syncs of the first."""


class History:
    """A warehouse in memory that takes the ledger's log in and follows it."""

    def __init__(self, plain: CompiledProject, narrowed: CompiledProject) -> None:
        self.connection = duckdb.connect()
        self.connection.execute("set TimeZone = 'UTC'; set threads = 1; create schema kairos")
        ensure_raw(self.connection)
        self.plain, self.narrowed = (
            [model for model in project.between((), ["sync_state"]) if model.kind == "model"]
            for project in (plain, narrowed)
        )
        self.strategies = strategies()
        self.anew(0)

    def copy(self, changes: tuple[Change, ...], at: int) -> None:
        """Append to the log as the replica does, by the next numbers."""
        [(last,)] = self.rows("select coalesce(max(sequence), 0) from raw.sync_operations")
        rows = []
        for number, change in enumerate(changes):
            verb, kind, user = OPERATIONS[change.operation]
            rows.append(
                {
                    "sequence": last + 1 + number,
                    "operation_id": f"operation {change.operation}",
                    "destination": "webhook",
                    "kind": kind,
                    "operation": verb,
                    "object_key": "people",
                    "user_key": user,
                    "payload_hash": f"hash {number}",
                    "state": change.state,
                    "acknowledged_at": instant(change.acknowledged),
                    "loaded_at": instant(at + change.after),
                }
            )
        insert(self.connection, "raw.sync_operations", rows)

    def erase(self, user: str) -> None:
        """Clear the tables of somebody, as `kairos erase` does; no full refresh follows."""
        execute = self.connection.execute
        execute(f"create temp table erased_user as select '{user}' as user_id")
        known = {name: erasure._KEPT[name] for name in TABLES}
        known["raw.sync_operations"] = erasure._RAW["sync_operations"]
        for name, condition in known.items():
            table = name if "." in name else f"kairos.{name}"
            erasure._delete(self.connection, table, condition)
        execute("drop table erased_user")

    def run(self, as_of: int, is_killed: bool = False) -> None:
        """Read what came since the last run; killed, only into the first table."""
        for model in self.narrowed[: 1 if is_killed else None]:
            if model.strategy:
                now = instant(as_of).replace(tzinfo=UTC)
                replace_what_changed(self.connection, model, self.strategies, now)

    def anew(self, as_of: int) -> None:
        """Build every table from the whole log."""
        for model in self.plain:
            self.connection.execute(model.statement(instant(as_of).replace(tzinfo=UTC)))

    def rows(self, query: str) -> list[tuple]:
        return self.connection.execute(query).fetchall()

    def tables(self) -> dict[str, list[tuple]]:
        return {name: self.rows(f"from kairos.{name} order by all") for name in TABLES}

    def of_a_full_refresh(self, as_of: int) -> dict[str, list[tuple]]:
        self.connection.execute("begin")
        self.anew(as_of)
        tables = self.tables()
        self.connection.execute("rollback")
        return tables


changes = st.builds(
    Change,
    operation=st.integers(0, len(OPERATIONS) - 1),
    state=st.sampled_from(STATES),
    acknowledged=st.integers(0, 3),
    after=st.sampled_from((0, 0, 0, 1, 2, 3)),
)
turns = st.builds(
    Turn,
    changes=st.lists(changes, max_size=6).map(tuple),
    erased=st.sampled_from((None, None, None, "ann", "bob")),
    is_killed=st.booleans(),
    elapsed=st.sampled_from((0, 1, 1)),
)


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(history=st.lists(turns, min_size=2, max_size=6))
@example(
    # the later of two changes is known first
    history=[Turn((Change(0, "accepted", after=1), Change(0, "rejected"))), Turn()]
)
@example(
    # a change that is known late belongs to an operation that did not change since
    history=[
        Turn((Change(0, "accepted"), Change(5, "accepted", after=1), Change(3, "accepted"))),
        Turn(),
    ]
)
@example(
    # what the syncs of a run did is known at the instant of the run
    history=[Turn((Change(0, "planned"),)), Turn((Change(0, "accepted"),), elapsed=0)]
)
@example(
    # all that was acknowledged of somebody is withdrawn, by a run that dies
    history=[
        Turn((Change(0, "accepted"), Change(4, "accepted"))),
        Turn((Change(0, "unknown"),), is_killed=True),
        Turn((Change(4, "shown"),)),
    ]
)
@example(
    # the numbers of somebody who is erased are given again
    history=[
        Turn((Change(4, "shown"), Change(0, "accepted"), Change(1, "accepted"))),
        Turn((Change(5, "accepted"),), erased="ann"),
    ]
)
def test_a_run_that_reads_what_is_new_leaves_what_a_full_refresh_would(
    plain: CompiledProject, narrowed: CompiledProject, history: list[Turn]
) -> None:
    line = History(plain, narrowed)
    at = 0
    for turn in history:
        at += turn.elapsed
        if turn.erased:
            line.erase(turn.erased)
        line.copy(turn.changes, at)
        line.run(at, turn.is_killed)
        if not turn.is_killed:
            assert line.tables() == line.of_a_full_refresh(at)

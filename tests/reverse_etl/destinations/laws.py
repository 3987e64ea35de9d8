"""Laws 3 and 4 for one destination: whatever fails, whoever is killed at whatever step.

Nothing is lost, nothing happens twice where the destination can tell, and where it cannot the
ledger lists what is in doubt. The judge is what the destination holds, never what we believe.
"""

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import count, islice
from pathlib import Path
from random import Random
from typing import Any, ClassVar, TypeVar

import pytest

from reverse_etl import destinations
from reverse_etl.destinations.base import Dedupe, Destination, InDoubt
from reverse_etl.dispatch.record import Outcome
from reverse_etl.dispatch.transport import Transport
from reverse_etl.ledger.caps import Cap, Guard
from reverse_etl.ledger.store import Ledger, Standing
from reverse_etl.model import Kind, Operation, State
from tests.reverse_etl.conftest import NOW
from tests.reverse_etl.mortality import Mortality, run

SCHEDULES = int(os.environ.get("KAIROS_FAULT_SCHEDULES", "6"))
"""Schedules that are dealt for each destination on SQLite; half as many on PostgreSQL."""
SEED = os.environ.get("KAIROS_FAULT_SEED", "0")
"""Another seed deals other schedules; a failure names the one that it met."""
MANY = 50
CAP = 2
GUARD = Guard([Cap("two", "all", window_seconds=86_400, maximum=CAP)])
PEACE = 3
"""Runs without faults at the end: what is not done after them never will be."""


Card = TypeVar("Card")
Schedule = dict[str, Any]


def deck(dice: Random, cards: Sequence[Card]) -> Iterator[Card]:
    """Deal without end, each card once before any comes again."""
    while True:
        yield from dice.sample(cards, len(cards))


def dealt(dice: Random, faults: Callable[[int], list[Any]]) -> Iterator[Schedule]:
    """Schedules in which kills, policies and sizes of batches take turns; `faults` by batch."""
    kills, policies = deck(dice, [0, 1, 1, 2]), deck(dice, list(InDoubt))
    sizes, rejected = deck(dice, [1, 2, 3, 100]), deck(dice, [(), (), (), range(5)])
    while True:
        batch_count = next(sizes)
        # as many steps as a short run with requests of that size takes, so that most kills are met
        steps = 9 if batch_count > 3 else 27
        yield {
            "kills": [dice.randrange(steps) for _ in range(next(kills))],
            "faults": faults(batch_count),
            "rejected": set(dice.sample(list(chosen), 1)) if (chosen := next(rejected)) else set(),
            "policy": next(policies),
            "batch_count": batch_count,
            "size": 3,
        }


@dataclass
class History:
    """What the ledger says when everything is over."""

    rows: dict[str, Any]
    states: dict[str, list[str]]
    """Each state that an operation was logged in, in order."""


class Laws:
    """Subclass it with what the destination is, and what it holds in the end."""

    name: ClassVar[str]
    kinds: ClassVar[Mapping[str, Dedupe]]
    met: Counter[str]
    """How often something went wrong, by what it was."""
    answers_get_lost: ClassVar[bool] = False
    """Whether `met` counts the schedules with an answer that was lost, under `lost answer`."""
    effort: ClassVar[float] = 1.0
    """The share of the schedules that is tried: less where a run is slow."""

    def operation(self, number: int, kind: str, **fields: Any) -> Operation:
        """Make an operation of this destination."""
        raise NotImplementedError

    def schedules(self, dice: Random) -> Iterator[Schedule]:
        """Deal `kills` (steps), `policy`, `batch_count`, `size`, and `faults` for `faulty`."""
        raise NotImplementedError

    def begin(self) -> dict[str, str]:
        """Let the destination forget everything; answers the variables that point to it."""
        raise NotImplementedError

    def faulty(self, schedule: Mapping[str, Any]) -> AbstractContextManager[Any]:
        """Let go wrong what the schedule says, until the block ends."""
        return nullcontext()

    def around(self, transport: Transport) -> Transport:
        """Put what goes wrong on our side between us and the transport."""
        return transport

    def times(self, operation: Operation) -> int:
        """How often an operation took effect, where that can be told."""
        raise NotImplementedError

    def holds(self, operation: Operation) -> bool:
        """Whether what an operation sets is so."""
        raise NotImplementedError

    def refused(self, schedule: Mapping[str, Any], operation: Operation) -> bool | None:
        """Whether the destination refuses this one for good; None where nobody can know."""
        return False

    def plan(self, size: int) -> list[Operation]:
        """Members, one who leaves, profiles, and more moments than the cap lets through."""
        rows = [
            *((10 + n, "moment", {"user_key": f"user-{n % (size - 1)}", "scope": {}})
              for n in range((CAP + 1) * (size - 1))),
            (size, "audience", {"verb": "remove"}),
            *((n, "audience", {}) for n in range(size)),
            *((n, "profile", {"payload": {"band": f"b{n}"}}) for n in range(size - 1)),
        ]  # fmt: skip
        return [
            # a key that every vendor takes as it is
            self.operation(n, kind, key=f"key-{kind}-{n}", **fields)
            for n, kind, fields in rows
            if kind in self.kinds
        ]

    def target(self, schedule: Mapping[str, Any], env: Mapping[str, str]) -> Destination:
        batch_count = {f"KAIROS_{self.name.upper()}_BATCH_COUNT": str(schedule["batch_count"])}
        target = destinations.find(self.name).from_env({**env, **batch_count})
        # the pace has tests of its own
        unpaced = replace(target.capabilities, rate_limits={})
        target.__dict__["capabilities"] = unpaced
        return target

    def through(
        self, schedule: Mapping[str, Any], ledger: Ledger, name: str
    ) -> tuple[list[Operation], History]:
        """Run with kills and faults, then in peace until nothing is left to do."""
        target = self.target(schedule, self.begin())
        plan = self.plan(schedule["size"])

        # a vendor may want some rest between runs
        instants = (NOW + timedelta(minutes=2 * number) for number in count())

        def attempt(label: str, steps: int | None = None) -> Outcome | None:
            run_id, dies, at = f"{name}-{label}", Mortality(steps), next(instants)
            outcome = run(
                ledger, target, plan, run_id, GUARD, dies,
                around=self.around, at=at, policy=schedule["policy"],
            )  # fmt: skip
            if outcome is None:
                self.met[f"killed {dies.died}"] += 1
            return outcome

        with self.faulty(schedule):
            # the last one lives to see the faults that are left
            for number, steps in enumerate([*schedule["kills"], None]):
                attempt(str(number), steps)
        with self.faulty({**schedule, "faults": []}):
            for number in range(PEACE):
                outcome = attempt(f"peace-{number}")
                assert outcome is not None and outcome.problem is None
                known = sum(outcome.standings[s] for s in (Standing.DONE, Standing.HELD))
                assert sum(outcome.counts.values()) + known == outcome.seen == len(plan)
        states: dict[str, list[str]] = defaultdict(list)
        for change in ledger.changes_after(0, 100_000):
            states[change.idempotency_key].append(change.state)
        rows = {row.idempotency_key: row for row in ledger.operations()}
        return plan, History(rows, states)

    def judge(
        self, schedule: Mapping[str, Any], plan: Sequence[Operation], history: History
    ) -> None:
        """Compare what the ledger says with what the destination holds."""
        reached: Counter[str] = Counter()
        assert set(history.rows) == {planned.idempotency_key for planned in plan}
        for planned in plan:
            row = history.rows[planned.idempotency_key]
            states = history.states[planned.idempotency_key]
            told = f"{planned.idempotency_key} is {row.state}, by way of {states}"
            assert states[-1] == row.state, f"log and table tell different stories: {told}"
            assert row.state == State.UNKNOWN or row.owner_id is None, (told, row.owner_id)
            if planned.kind == Kind.MOMENT and row.state == State.SUPPRESSED:
                assert self.times(planned) == 0, told
                continue
            is_refused = self.refused(schedule, planned)
            if is_refused:
                assert row.state in (State.REJECTED, State.UNKNOWN), told
                continue
            if is_refused is None:
                assert row.state in (State.ACCEPTED, State.REJECTED, State.UNKNOWN), told
                continue
            if planned.kind == Kind.MOMENT:
                reached[planned.user_key] += bool(self.times(planned))
            self._judge_one(schedule, planned, row.state, states, told)
        assert all(times <= CAP for times in reached.values())

    def _judge_one(
        self,
        schedule: Mapping[str, Any],
        planned: Operation,
        state: str,
        states: Sequence[str],
        told: str,
    ) -> None:
        dedupe = self.kinds[planned.kind]
        if dedupe is Dedupe.SET:
            assert state == State.ACCEPTED and self.holds(planned), told
        elif dedupe is Dedupe.KEY:
            assert state == State.ACCEPTED and self.times(planned) == 1, told
        elif state == State.UNKNOWN:
            assert schedule["policy"] == InDoubt.SKIP, told
            assert self.times(planned) <= 1, told
        else:
            times = self.times(planned)
            assert state == State.ACCEPTED and times >= 1, f"lost: {told}"
            if times > 1:
                assert schedule["policy"] == InDoubt.RESEND, f"repeated: {told}"
                assert "unknown" in states, f"repeated without a word in the ledger: {told}"

    # the laws

    @pytest.mark.property
    @pytest.mark.parametrize("database", ["sqlite", "postgres"])
    def test_no_schedule_of_faults_and_kills_loses_or_repeats(
        self, database: str, request: pytest.FixtureRequest, tmp_path: Path
    ) -> None:
        is_sqlite = database == "sqlite"
        url = "" if is_sqlite else request.getfixturevalue("postgres_url")
        total = max(3, round(SCHEDULES * self.effort * (1 if is_sqlite else 0.5)))
        dice, self.met = Random(f"{SEED} {self.name} {database}"), Counter()
        for number, schedule in enumerate(islice(self.schedules(dice), total)):
            with Ledger.open(url or f"sqlite:///{tmp_path / str(number)}.db") as ledger:
                ledger.clear()
                try:
                    self.judge(schedule, *self.through(schedule, ledger, str(number)))
                except BaseException as error:
                    error.add_note(f"KAIROS_FAULT_SEED={SEED}, schedule {number}: {schedule}")
                    raise
        print(f"{self.name} on {database}, {total} schedules:", dict(sorted(self.met.items())))
        assert any(name.startswith("killed") for name in self.met), "nobody was killed"
        if self.answers_get_lost:
            assert 3 * self.met["lost answer"] >= total, "the schedules show too little"

    @pytest.mark.property
    def test_a_kill_at_any_step_loses_and_repeats_nothing(self, tmp_path: Path) -> None:
        schedule = {"kills": [], "faults": [], "rejected": set(), "policy": InDoubt.SKIP,
                    "batch_count": 100, "size": 2}  # fmt: skip
        self.met = Counter()
        with Ledger.open(f"sqlite:///{tmp_path / 'ledger.db'}") as ledger:
            whole = Mortality(None)
            target = self.target(schedule, self.begin())
            assert run(ledger, target, self.plan(2), "whole", GUARD, whole, around=self.around)
            stride = 1 if SCHEDULES >= MANY else round(1 / self.effort)
            for step in range(0, whole.taken, stride):
                ledger.clear()
                killed = {**schedule, "kills": [step]}
                self.judge(killed, *self.through(killed, ledger, f"{step}"))

"""Laws 3 and 4: whatever fails, whoever is killed at whatever step, nothing is lost or repeated.

The sandbox is the witness: it says what took effect, and how often.
"""

import os
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reverse_etl import destinations
from reverse_etl.destinations.base import Destination, InDoubt
from reverse_etl.dispatch.dispatcher import Dispatcher, Outcome
from reverse_etl.dispatch.transport import Transport
from reverse_etl.ledger.caps import Cap, Guard
from reverse_etl.ledger.store import Ledger
from reverse_etl.model import Operation, Request, Response, State
from reverse_etl.sandbox import Sandbox
from tests.reverse_etl.conftest import NOW, QUICK, moment, operation

SCHEDULES = int(os.environ.get("KAIROS_FAULT_SCHEDULES", "25"))
CAP = 2
GUARD = Guard([Cap("two", "all", window_seconds=86_400, maximum=CAP)])
TUNING = replace(QUICK, attempts=3, chunk=5, patience_seconds=0.05, breaker_seconds=0.001)


class Killed(BaseException):
    """The process is gone: nothing after this instant happens."""


class Mortality:
    """Lets a number of steps happen, then none, in any thread."""

    def __init__(self, steps: int | None) -> None:
        self.left = steps
        self.lock = threading.Lock()

    def step(self) -> None:
        with self.lock:
            if self.left is None:
                return
            if self.left <= 0:
                raise Killed
            self.left -= 1


class MortalLedger:
    """A ledger whose process may die before or after each thing that it writes."""

    def __init__(self, ledger: Ledger, mortality: Mortality) -> None:
        self._ledger = ledger
        self._mortality = mortality

    def __getattr__(self, name: str) -> Any:
        verb = getattr(self._ledger, name)

        def mortal(*arguments: Any, **options: Any) -> Any:
            self._mortality.step()
            answer = verb(*arguments, **options)
            self._mortality.step()
            return answer

        return mortal


class MortalTransport:
    def __init__(self, transport: Transport, mortality: Mortality) -> None:
        self._transport = transport
        self._mortality = mortality

    def send(self, request: Request) -> Response:
        self._mortality.step()
        response = self._transport.send(request)
        self._mortality.step()
        return response

    def close(self) -> None:
        self._transport.close()


def run(
    ledger: Ledger,
    destination: Destination,
    plan: Sequence[Operation],
    name: str,
    steps: int | None = None,
) -> Outcome | None:
    """One run; None when it was killed after `steps` steps."""
    mortality = Mortality(steps)
    owner = ledger.owner(name)
    owner.__enter__()
    try:
        return Dispatcher(
            destination,
            MortalLedger(ledger, mortality),  # type: ignore[arg-type]
            GUARD,
            run_id=name,
            clock=lambda: NOW,
            stop=threading.Event(),
            tuning=TUNING,
            transport=MortalTransport(destination.transport(), mortality),
        ).run(plan)
    except Killed:
        # a dead process lets its lock go and writes nothing
        owner._forget = lambda _: None
        return None
    finally:
        owner.__exit__()


@pytest.fixture(scope="module")
def world() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


faults = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(
            ["429", "5xx", "reset", "commit_then_drop", "malformed", "truncated", "timeout"]
        ),
        "times": st.integers(1, 3),
        "skip": st.integers(0, 4),
        "status": st.sampled_from([500, 502, 503]),
        "after_commit": st.booleans(),
    }
)
schedules = st.fixed_dictionaries(
    {
        "kills": st.lists(st.integers(0, 40), max_size=4),
        "faults": st.lists(faults, max_size=4),
        "rejected": st.sets(st.integers(0, 4), max_size=1),
        "policy": st.sampled_from(list(InDoubt)),
        "batch_count": st.sampled_from([1, 2, 3, 100]),
    }
)


def the_plan(destination: str) -> list[Operation]:
    """Three memberships, a removal, two profiles, and more moments than the cap lets through."""
    fields: dict[str, Any] = {"destination": destination}
    return [
        *(operation(n, **fields) for n in range(3)),
        operation(3, verb="remove", **fields),
        *(
            operation(n, kind="profile", verb="update", object_key="profile",
                      payload={"band": f"b{n}"}, **fields)
            for n in range(2)
        ),
        *(
            moment(10 + n, user_key=f"user-{n % 2}", scope={}, **fields)
            for n in range(6)
        ),
    ]  # fmt: skip


def switch_on(world: Sandbox, destination: str, schedule: dict[str, Any]) -> None:
    for fault in schedule["faults"]:
        fault = dict(fault)
        if fault["kind"] == "malformed" and schedule["rejected"]:
            continue  # it would say 200 for what the vendor refused
        if fault["kind"] not in ("5xx", "timeout"):
            del fault["after_commit"]
        if fault["kind"] == "malformed":
            fault["status"] = 200
        elif fault["kind"] != "5xx":
            del fault["status"]
        elif fault["after_commit"] and fault["status"] == 503:
            fault["status"] = 504  # 503 says that nothing was done, and is believed
        if fault["kind"] in ("429", "timeout"):
            fault["seconds"] = 0
        if fault["kind"] == "429":
            fault["retry_after"] = "seconds"
        world.fault(destination=destination, **fault)
    if schedule["rejected"]:
        users = [f"user-{number}" for number in schedule["rejected"]]
        world.fault(kind="reject", destination=destination, users=users, times=None)


def through_everything(
    world: Sandbox, folder: Path, destination: str, schedule: dict[str, Any], url: str
) -> tuple[list[Operation], dict[str, Any], dict[str, list[str]]]:
    """Run with kills and faults, then in peace until nothing is left to do."""
    world.reset()
    world.limit(destination, None)
    env = {
        **world.environment(destination),
        f"KAIROS_{destination.upper()}_BATCH_COUNT": str(schedule["batch_count"]),
        f"KAIROS_{destination.upper()}_IN_DOUBT": schedule["policy"],
        "KAIROS_WEBHOOK_REQUESTS_PER_SECOND": "100000",
    }
    target = destinations.find(destination).from_env(env)
    switch_on(world, destination, schedule)
    plan = the_plan(destination)
    with Ledger.open(url) as ledger:
        for number, steps in enumerate(schedule["kills"]):
            run(ledger, target, plan, f"{folder.name}-{number}", steps)
        world.faults.clear()
        if schedule["rejected"]:
            switch_on(world, destination, {**schedule, "faults": []})
        for number in range(3):
            assert run(ledger, target, plan, f"{folder.name}-peace-{number}") is not None
        states = {row.idempotency_key: row for row in ledger.operations()}
        history: dict[str, list[str]] = defaultdict(list)
        for change in ledger.changes_after(0, 100_000):
            history[change.idempotency_key].append(change.state)
    return plan, states, history


def check(
    world: Sandbox, destination: str, schedule: dict[str, Any], plan: Sequence[Operation],
    states: dict[str, Any], history: dict[str, list[str]],
) -> None:  # fmt: skip
    witness = world.witness(destination)
    refused = {f"user-{number}" for number in schedule["rejected"]}
    reached: Counter[str] = Counter()
    for planned in plan:
        key, user = planned.idempotency_key, planned.user_key
        state, times = states[key].state, witness.events[key]
        assert history[key][-1] == state, "the log and the table tell different stories"
        assert state == State.UNKNOWN or states[key].owner_id is None
        if state == State.SUPPRESSED:
            assert planned.kind == "moment" and times == 0
            continue
        if user in refused:
            assert state == State.REJECTED or (state == State.UNKNOWN and times == 0)
            continue
        if planned.kind == "moment":
            reached[user] += bool(times)
        if planned.kind == "moment" and destination == "appcues":
            if state == State.UNKNOWN:
                assert schedule["policy"] == InDoubt.SKIP and times <= 1
                continue
            assert state == State.ACCEPTED and times >= 1, (state, history[key])
            if times > 1:
                assert schedule["policy"] == InDoubt.RESEND
                assert "unknown" in history[key], "repeated without a word in the ledger"
            continue
        assert state == State.ACCEPTED, (state, history[key])
        if destination == "webhook":
            assert times == 1
        if planned.kind == "audience":
            is_member = user in witness.members.get("people", set())
            assert is_member == (planned.operation == "add")
        if planned.kind == "profile":
            assert witness.profiles[user] == planned.payload
    assert all(count <= CAP for count in reached.values())


@pytest.mark.property
@pytest.mark.parametrize("destination", ["webhook", "appcues"])
def test_no_schedule_of_faults_and_kills_loses_or_repeats(world, destination, tmp_path) -> None:
    numbers = iter(range(10**9))

    @settings(
        max_examples=SCHEDULES,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(schedules)
    def hold(schedule: dict[str, Any]) -> None:
        folder = tmp_path / str(next(numbers))
        url = f"sqlite:///{folder / 'ledger.db'}"
        check(
            world, destination, schedule,
            *through_everything(world, folder, destination, schedule, url),
        )  # fmt: skip

    hold()


@pytest.mark.property
def test_no_schedule_loses_or_repeats_on_postgresql(world, postgres_url, tmp_path) -> None:
    numbers = iter(range(10**9))

    @settings(
        max_examples=max(10, SCHEDULES // 3),
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(schedules, st.sampled_from(["webhook", "appcues"]))
    def hold(schedule: dict[str, Any], destination: str) -> None:
        folder = tmp_path / str(next(numbers))
        with Ledger.open(postgres_url) as ledger, suppress(StopIteration):
            ledger.clear()
        check(
            world, destination, schedule,
            *through_everything(world, folder, destination, schedule, postgres_url),
        )  # fmt: skip

    hold()

"""What every vendor's destination owes, tried over real HTTP against its stand-in."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, ClassVar

import pytest

from kairos.doctor.check import Status
from kairos.doctor.delivery import check_destination
from reverse_etl import destinations
from reverse_etl.destinations.base import Dedupe
from reverse_etl.dispatch.dispatcher import Dispatcher
from reverse_etl.dispatch.record import Outcome
from reverse_etl.dispatch.transport import Transport
from reverse_etl.ledger.caps import Guard
from reverse_etl.ledger.store import Ledger
from reverse_etl.model import Kind, Operation, Response
from reverse_etl.sandbox import Sandbox
from reverse_etl.sandbox.witness import Witness
from tests.reverse_etl.conftest import NOW, QUICK, operation
from tests.reverse_etl.destinations.laws import Laws, Schedule, dealt, deck

LOST: tuple[dict[str, Any], ...] = (
    {"kind": "commit_then_drop"},
    {"kind": "timeout", "seconds": 0, "after_commit": True},
    {"kind": "truncated"},
    {"kind": "malformed"},
    # 503 says that nothing was done, and is believed
    *({"kind": "5xx", "status": status, "after_commit": True} for status in (500, 502, 504)),
)
"""The platform does it, and we do not hear so."""
REFUSED: tuple[dict[str, Any], ...] = (
    *(
        {"kind": "429", "retry_after": form, "seconds": seconds}
        for form, seconds in (("vendor", 1), ("seconds", 90), ("date", 90), ("none", 0))
    ),
    *(
        {"kind": "5xx", "status": status}
        for status in (400, 401, 403, 404, 408, 409, 410, 413, 422, 425, 500, 502, 503, 504)
    ),
    {"kind": "timeout", "seconds": 0},
    {"kind": "reset"},
    {"kind": "slow", "seconds": 0.005},
)


class Delivery:
    """Delivers operations to one destination, with a ledger of its own."""

    def __init__(self, name: str, env: Mapping[str, str], ledger: Ledger) -> None:
        self.name = name
        self.env = dict(env)
        self.ledger = ledger
        self.runs = 0

    def __call__(
        self, *operations: Operation, transport: Transport | None = None, at: datetime | None = None
    ) -> Outcome:
        self.runs += 1
        # some vendors want a minute between what depends on each other
        at = at or NOW + timedelta(minutes=2 * self.runs)
        run_id = f"run-{self.runs}"
        dispatcher = Dispatcher(
            destinations.find(self.name).from_env(self.env),
            self.ledger,
            Guard([], "UTC"),
            run_id=run_id,
            clock=lambda: at,
            stop=threading.Event(),
            tuning=QUICK,
            transport=transport,
        )
        with self.ledger.owner(run_id):
            return dispatcher.run(operations)

    def states(self) -> dict[str, str]:
        """The state of each operation, by the person it is about."""
        return {row.user_key: row.state for row in self.ledger.operations()}

    def codes(self) -> dict[str, str | None]:
        """The error code of each operation, by the person it is about."""
        return {row.user_key: row.error_code for row in self.ledger.operations()}


@pytest.fixture
def delivery(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Delivery]:
    contract: VendorContract = request.instance
    with Ledger.open(f"sqlite:///{tmp_path / 'ledger.db'}") as ledger:
        yield Delivery(contract.name, contract.sandbox.environment() | contract.settings, ledger)


class VendorContract(Laws):
    """Subclass it in the vendor's test module, with what is particular about the vendor.

    A test of something that the vendor does not have is set to None there.
    """

    name: ClassVar[str]
    settings: ClassVar[Mapping[str, str]] = {}
    secrets: ClassVar[Mapping[str, tuple[str, ...]]]
    """Each secret's variable, and the kinds that need it."""
    probed: ClassVar[tuple[str, ...]]
    """The secrets that the probe shows to be right."""
    kinds: ClassVar[Mapping[str, Dedupe]]
    audience: ClassVar[str] = "people"
    typo: ClassVar[str] = "poeple"
    """An audience that was never made there."""
    called: ClassVar[str] = "segment 'poeple'"
    """What the vendor calls it."""
    refusals: ClassVar[int] = 1
    """Requests in which nine memberships of it travel."""
    content: ClassVar[str] = '"content_key":"tip"'
    attributed: ClassVar[tuple[str, ...]] = ("audience", "profile", "moment")
    """The kinds whose refused rows the vendor lets us find."""
    tells_when: ClassVar[bool] = True
    """Whether a 429 of this vendor's says how long to wait."""
    forgives_removals: ClassVar[bool] = False
    """Whether somebody whom the vendor does not know can leave: who is not in is out."""
    answers_get_lost = True
    sandbox: Sandbox

    @pytest.fixture(autouse=True)
    def _sandbox(self) -> Iterator[None]:
        with Sandbox() as self.sandbox:
            yield

    def operation(self, number: int, kind: str, **fields: Any) -> Operation:
        verb = {"audience": "add", "profile": "update", "moment": "send"}[kind]
        object_key = {"audience": self.audience, "profile": "profile", "moment": "tip"}[kind]
        payload = {"band": "high", "score": 0.5} if kind != "audience" else {}
        return operation(
            number,
            **{
                "destination": self.name,
                "kind": kind,
                "verb": verb,
                "object_key": object_key,
                "payload": payload,
                **fields,
            },
        )

    @property
    def witness(self) -> Witness:
        return self.sandbox.witness(self.name)

    def is_member(self, user: str) -> bool:
        return user in self.witness.members.get(self.audience, set())

    # the laws, whose judge is the stand-in

    def schedules(self, dice: Random) -> Iterator[Schedule]:
        lost, refused = deck(dice, LOST), deck(dice, REFUSED)

        def faults(batch_count: int) -> list[dict[str, Any]]:
            # a lost answer first, at a request that is sure to come; then what meets the next
            cards = [next(lost), *(next(refused) for _ in range(dice.randrange(3)))]
            furthest = 2 if batch_count > 3 else 5
            return [
                {**card, "times": dice.choice((1, 1, 3)), "skip": dice.randrange(furthest)}
                for card in cards
            ]

        return dealt(dice, faults)

    def begin(self) -> dict[str, str]:
        self.sandbox.reset()
        self.sandbox.limit(self.name, None)
        return self.sandbox.environment(self.name) | self.settings

    @contextmanager
    def faulty(self, schedule: Mapping[str, Any]) -> Iterator[None]:
        faults = [
            self.sandbox.fault(destination=self.name, **fault)
            for fault in schedule["faults"]
            if not self.overlooks(fault, schedule)
        ]
        if schedule["rejected"]:
            users = [f"user-{number}" for number in schedule["rejected"]]
            self.sandbox.fault(kind="reject", destination=self.name, users=users, times=None)
        yield
        self.sandbox.faults.clear()
        for fault in faults:
            if fault.hits:
                what = fault.retry_after if fault.kind == "429" else fault.status or ""
                self.met[
                    " ".join(filter(None, [fault.kind, str(what), "after" * fault.after_commit]))
                ] += 1
        lost = (fault.hits for fault in faults if fault.commits and fault.kind != "slow")
        self.met["lost answer"] += any(lost)

    def overlooks(self, fault: Mapping[str, Any], schedule: Mapping[str, Any]) -> bool:
        """Whether no sender could tell that this went wrong."""
        return False

    def event_key(self, operation: Operation) -> str:
        """The key under which the vendor knows an event."""
        return operation.idempotency_key

    def times(self, operation: Operation) -> int:
        return self.witness.events[self.event_key(operation)]

    def holds(self, operation: Operation) -> bool:
        if operation.kind == Kind.AUDIENCE:
            return self.is_member(operation.user_key) == (operation.operation == "add")
        return operation.payload.items() <= self.witness.profiles[operation.user_key].items()

    def refused(self, schedule: Mapping[str, Any], operation: Operation) -> bool | None:
        if operation.user_key not in {f"user-{number}" for number in schedule["rejected"]}:
            return False
        if self.forgives_removals and operation.operation == "remove":
            return False
        return True if operation.kind in self.attributed else None

    # the contract

    def test_it_takes_the_kinds_that_it_says(self, delivery: Delivery) -> None:
        found = destinations.find(self.name).from_env(delivery.env)

        assert found.capabilities.dedupe == {Kind(k): dedupe for k, dedupe in self.kinds.items()}

    def test_members_are_added_and_removed(self, delivery: Delivery) -> None:
        delivery(self.operation(1, "audience"), self.operation(2, "audience"))
        assert self.is_member("user-1") and self.is_member("user-2")

        removal = self.operation(3, "audience", verb="remove", user_key="user-1")
        outcome = delivery(removal, self.operation(4, "audience"))

        assert outcome.counts == {"accepted": 2}
        assert [self.is_member(f"user-{n}") for n in (1, 2, 4)] == [False, True, True]

    def test_profiles_are_set_and_a_null_removes(self, delivery: Delivery) -> None:
        delivery(self.operation(1, "profile"))
        assert self.witness.profiles["user-1"] == {"band": "high", "score": 0.5}

        change = {"band": None, "plan": "pro"}
        outcome = delivery(self.operation(2, "profile", user_key="user-1", payload=change))

        assert outcome.counts == {"accepted": 1}
        assert self.witness.profiles["user-1"] == {"score": 0.5, "plan": "pro"}

        rest = {"band": None, "score": None, "plan": None}
        outcome = delivery(self.operation(3, "profile", user_key="user-1", payload=rest))

        assert outcome.counts == {"accepted": 1}
        assert self.witness.profiles["user-1"] == {}

    def test_a_moment_arrives_with_context_content_and_key(self, delivery: Delivery) -> None:
        moment = self.operation(1, "moment")

        assert delivery(moment).counts == {"accepted": 1}

        [request] = [r for r in self.sandbox.requests(self.name) if r.method == "POST"][-1:]
        text = request.body_bytes.decode()
        assert f'"idempotency_key":"{moment.idempotency_key}"' in text
        assert self.content in text and '"band":"high"' in text
        assert sum(self.witness.events.values()) == 1

    def test_wrong_credentials_stop_the_run_and_burn_no_row(self, delivery: Delivery) -> None:
        for variable, kinds in self.secrets.items():
            for kind in kinds:
                delivery.env[variable], right = "wrong-secret", delivery.env[variable]
                rows = [self.operation(n, kind, key=f"{variable}{kind}{n}") for n in range(20)]

                outcome = delivery(*rows)

                delivery.env[variable] = right
                assert outcome.counts == {"retryable": 20}, (variable, kind)
                assert f"KAIROS_{self.name.upper()}_" in str(outcome.problem)
                assert outcome.request_count <= 4
                again = delivery(*rows)
                assert again.counts == {"accepted": 20}, (variable, kind)

    def test_the_doctor_tells_right_from_wrong_credentials(self, delivery: Delivery) -> None:
        assert check_destination(self.name, delivery.env).status is Status.OK
        for variable in self.probed:
            wrong = {**delivery.env, variable: "wrong-secret"}
            assert check_destination(self.name, wrong).status is Status.FAIL, variable

    def test_a_bad_row_stands_alone(self, delivery: Delivery) -> None:
        for kind in self.kinds:
            if kind not in self.attributed:
                continue
            bad = f"bad-{kind}"
            self.sandbox.fault(kind="reject", destination=self.name, users=[bad], times=None)
            rows = [self.operation(n, kind) for n in range(9)]

            outcome = delivery(*rows, self.operation(9, kind, user_key=bad))

            assert outcome.counts == {"accepted": 9, "rejected": 1}, kind
            assert delivery.states()[bad] == "rejected"
        assert len(self.witness.events) == sum(self.witness.events.values())

    def test_a_lost_answer_is_handled_by_what_the_vendor_can_tell(self, delivery: Delivery) -> None:
        for kind, dedupe in self.kinds.items():
            self.sandbox.fault(kind="commit_then_drop", destination=self.name)
            rows = [self.operation(n, kind, user_key=f"{kind}-{n}") for n in range(3)]

            outcome = delivery(*rows)

            if dedupe is Dedupe.NONE:
                assert set(outcome.counts) <= {"unknown", "accepted"} and outcome.counts["unknown"]
            else:
                assert outcome.counts == {"accepted": 3}, kind
        assert len(self.witness.events) == sum(self.witness.events.values())

    def test_a_silence_that_was_asked_for_is_kept(self, delivery: Delivery) -> None:
        for kind, form in zip(self.kinds, ("vendor", "seconds", "date"), strict=False):
            asked = 0.0 if form == "vendor" and not self.tells_when else 1.0
            # a date has no parts of a second
            seconds = 2 if form == "date" else 1
            self.sandbox.fault(kind="429", destination=self.name, seconds=seconds, retry_after=form)
            seen = len(self.sandbox.requests(self.name))

            assert delivery(self.operation(1, kind)).counts == {"accepted": 1}, kind

            refused, *again = self.sandbox.requests(self.name)[seen:]
            waited = again[0].received_at - refused.received_at
            assert refused.status == 429 and waited.total_seconds() >= asked - 0.01, (kind, form)

    def test_an_answer_that_is_no_answer_is_not_taken_for_success(self, delivery: Delivery) -> None:
        for kind, dedupe in self.kinds.items():
            self.sandbox.fault(kind="malformed", destination=self.name, times=None)

            outcome = delivery(self.operation(1, kind))

            self.sandbox.faults.clear()
            expected = "retryable" if dedupe is Dedupe.SET else "unknown"
            assert set(outcome.counts) <= {expected, "unknown"}, kind

    def test_an_audience_that_does_not_exist_is_refused_in_one_request_and_named(
        self, delivery: Delivery
    ) -> None:
        self.sandbox.name_audiences(lambda: [])
        self.sandbox.vendor(self.name).create_audience(self.audience)
        rows = [self.operation(n, "audience", object_key=self.typo) for n in range(9)]

        outcome = delivery(*rows, self.operation(9, "audience"))

        assert outcome.counts == {"rejected": 9, "accepted": 1}
        assert outcome.request_count == self.refusals + 1
        [warning] = outcome.warnings
        assert warning.startswith(f"seeds/audiences.csv maps {self.typo} to {self.name}, which has")
        assert f"has no {self.called}" in warning
        assert f"KAIROS_{self.name.upper()}_" in warning and f"={self.typo}=ID" in warning
        assert {row.error_message for row in delivery.ledger.operations()} == {None, warning}

    def test_no_answer_is_so_strange_that_the_run_breaks(self, delivery: Delivery) -> None:
        found = destinations.find(self.name).from_env(delivery.env)
        names = ("multistatus", "failed_records", "errors", "error", "data_center", "failedUpdates")
        values = ("3", '"x"', "null", "[3]", '[{"status":"x"}]', '{"index":"x"}')
        bodies = ["", "[]", "null", "3", '"x"', "<html>", '{"total":"x"}']
        bodies += [f'{{"{name}":{value}}}' for name in names for value in values]
        for status in (200, 201, 202, 207, 400, 401, 404, 409, 413, 422, 429, 500, 503):
            for body in bodies:
                assert found.verdict(Response(status, {}, body.encode()))

    def test_no_secret_is_shown(self, delivery: Delivery) -> None:
        found = destinations.find(self.name).from_env(delivery.env)
        shown = repr(found) + repr(list(found.requests([self.operation(1, k) for k in self.kinds])))

        for variable in self.secrets:
            assert delivery.env[variable] not in shown
            assert delivery.env[variable] in found.secrets()

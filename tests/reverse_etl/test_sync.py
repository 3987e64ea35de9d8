"""The plan goes out over real HTTP, and the ledger says what became of it."""

import threading
from collections import Counter
from dataclasses import replace

import pytest

from reverse_etl import destinations
from reverse_etl.ledger.store import Ledger
from reverse_etl.model import Request, Response
from reverse_etl.replica import replicate
from reverse_etl.sync import SyncOptions, sync
from tests.reverse_etl.conftest import QUICK, Line, later, moment, operation
from warehouse.connection import connect


def test_memberships_arrive_and_a_second_run_sends_nothing(any_line: Line, sandbox) -> None:
    any_line.plan([operation(n, destination="appcues") for n in range(2_500)])

    first = any_line.sync("appcues")
    second = any_line.sync("appcues")

    assert first.counts == {"accepted": 2_500}
    assert first.request_count == 3
    assert len(sandbox.witness("appcues").members["people"]) == 2_500
    assert (second.counts, second.request_count, second.done_before) == ({}, 0, 2_500)


def test_every_kind_arrives_at_both_destinations(line: Line, sandbox) -> None:
    for destination in ("webhook", "appcues"):
        line.plan(
            [
                operation(1, destination=destination),
                operation(2, destination=destination, verb="remove", user_key="user-9"),
                operation(3, destination=destination, kind="profile", verb="update",
                          object_key="profile", payload={"band": "high"}),
                moment(4, destination=destination),
            ]
        )  # fmt: skip

        report = line.sync(destination)

        witness = sandbox.witness(destination)
        assert report.counts == {"accepted": 4}, destination
        assert witness.members == {"people": {"user-1"}}
        assert witness.profiles["user-3"] == {"band": "high"}
        assert sum(witness.events.values()) == {"webhook": 4, "appcues": 1}[destination]


def test_a_bad_row_stands_alone_and_the_rest_is_taken(line: Line, sandbox) -> None:
    sandbox.fault(kind="reject", destination="webhook", users=["user-37"], times=None)
    line.plan([operation(n) for n in range(100)])

    report = line.sync()

    assert report.counts == {"accepted": 99, "rejected": 1}
    assert line.states()[operation(37).idempotency_key] == "rejected"
    assert report.needs_a_person


def test_a_rejected_row_is_tried_again_when_it_is_planned_again(line: Line, sandbox) -> None:
    sandbox.fault(kind="reject", destination="webhook", users=["user-1"], times=1)
    line.plan([moment(1)])
    assert line.sync().counts == {"rejected": 1}

    assert line.sync().counts == {"accepted": 1}


def test_what_has_expired_is_not_sent(line: Line, sandbox) -> None:
    line.plan([moment(1, expires_at=later(seconds=0)), moment(2, expires_at=later(seconds=1))])

    report = line.sync()

    assert report.counts == {"accepted": 1, "expired": 1}
    assert len(sandbox.requests("webhook")) == 1


def test_a_destination_that_is_down_keeps_its_rows_for_the_next_run(line: Line, sandbox) -> None:
    line.plan([operation(n) for n in range(300)])
    up = line.env["KAIROS_WEBHOOK_BASE_URL"]
    line.env["KAIROS_WEBHOOK_BASE_URL"] = "http://127.0.0.1:9"

    down = line.sync()
    line.env["KAIROS_WEBHOOK_BASE_URL"] = up
    after = line.sync()

    assert down.status == "incomplete"
    assert "webhook is down" in str(down.problem)
    assert down.counts == {"retryable": 300}
    assert after.counts == {"accepted": 300}


class Stopping:
    """A transport that asks the run to stop with its first request, and then answers it."""

    def __init__(self, line: Line) -> None:
        self.stop = threading.Event()
        self.inner = destinations.find("webhook").from_env(line.env).transport()

    def send(self, request: Request) -> Response:
        self.stop.set()
        return self.inner.send(request)

    def close(self) -> None:
        self.inner.close()


def test_what_a_run_was_stopped_before_is_as_it_was_and_no_failure(any_line: Line) -> None:
    """Of requests that are written down together, too, all but the first are not begun."""
    any_line.env |= {"KAIROS_WEBHOOK_BATCH_COUNT": "1", "KAIROS_WEBHOOK_ALLOW_PRIVATE": "1"}
    any_line.plan([*(moment(n) for n in range(30)), *(operation(n) for n in range(30))])
    transport = Stopping(any_line)

    report = sync(
        any_line.home,
        "webhook",
        any_line.env,
        lambda: any_line.now,
        options=SyncOptions(tuning=QUICK),
        stop=transport.stop,
        transport=transport,
    )

    assert report.status == "stopped" and not report.needs_a_person
    counts = dict(report.counts)
    assert 0 < counts.pop("accepted") <= 4 and set(counts) <= {"planned", "reserved"}
    assert sum(report.counts.values()) + report.not_attempted == 60
    states = Counter(any_line.states().values())
    assert states == report.counts
    assert any_line.sync().counts == {"accepted": 60 - states["accepted"]}


def test_wrong_credentials_stop_the_run_and_burn_no_row(line: Line, sandbox) -> None:
    line.env["KAIROS_APPCUES_API_SECRET"] = "wrong"
    line.plan([operation(n, destination="appcues", object_key=f"a{n}") for n in range(50)])

    report = line.sync("appcues")

    assert report.counts == {"retryable": 50}
    assert report.request_count <= 4
    assert "KAIROS_APPCUES_" in str(report.problem)


def test_the_warehouse_learns_what_the_ledger_knows_once(line: Line) -> None:
    line.plan([operation(n) for n in range(10)])
    line.sync()

    with Ledger.open(line.home.ledger_url) as ledger:
        first = replicate(line.home, ledger, line.now)
        second = replicate(line.home, ledger, line.now)

    assert (first, second) == (30, 0)
    assert line.query(
        "select state, count(*) from raw.sync_operations group by state order by state"
    ) == [("accepted", 10), ("in_flight", 10), ("planned", 10)]
    assert line.query("select status, counts, request_count from raw.sync_runs") == [
        ("done", '{"accepted": 10}', 1)
    ]


def test_caps_hold_in_plan_order_and_suppression_is_final(line: Line) -> None:
    line.caps(("two_a_day", "all", "*", "rolling", 86_400, "user", 2))
    line.plan([moment(n, user_key="ann", scope={}) for n in range(4)])

    first = line.sync()
    second = line.sync()

    assert first.counts == {"accepted": 2, "suppressed": 2}
    states = line.states()
    assert [states[moment(n, user_key="ann").idempotency_key] for n in range(4)] == [
        "accepted", "accepted", "suppressed", "suppressed",
    ]  # fmt: skip
    assert second.counts == {}


def test_a_refused_message_gives_its_place_under_the_cap_to_another(line: Line, sandbox) -> None:
    line.caps(("one", "all", "*", "lifetime", None, "user", 1))
    sandbox.fault(kind="reject", destination="webhook", users=["ann"], times=1)
    line.plan([moment(3, user_key="ann", scope={})])
    assert line.sync().counts == {"rejected": 1}

    line.plan([moment(2, user_key="ann", scope={}), moment(3, user_key="ann", scope={})])

    assert line.sync().counts == {"accepted": 1, "suppressed": 1}
    assert line.states()[moment(2, user_key="ann").idempotency_key] == "accepted"


def test_rows_beyond_the_maximum_wait_for_a_later_run(line: Line) -> None:
    line.plan([operation(n) for n in range(10)])

    assert (line.sync(max_rows=4).counts, line.sync(max_rows=4).done_before) == (
        {"accepted": 4},
        4,
    )


def test_a_mass_removal_is_held_back_until_it_is_allowed(line: Line, sandbox) -> None:
    line.plan([operation(n) for n in range(40)])
    line.sync()
    with Ledger.open(line.home.ledger_url) as ledger:
        replicate(line.home, ledger, line.now)
    removals = [operation(n, verb="remove") for n in range(13)]
    line.plan([*removals, moment(1)])

    held = line.sync()
    allowed = line.sync(allow_mass_removal=True)

    assert held.counts == {"accepted": 1}
    assert held.needs_a_person and "13 of 40 members" in held.warnings[0]
    assert allowed.counts == {"accepted": 13}
    assert len(sandbox.witness("webhook").members["people"]) == 27


def test_a_few_may_always_leave_and_a_share_below_the_limit_too(line: Line) -> None:
    line.plan([operation(n) for n in range(40)])
    line.sync()
    with Ledger.open(line.home.ledger_url) as ledger:
        replicate(line.home, ledger, line.now)

    line.plan([operation(n, verb="remove") for n in range(12)])
    assert line.sync().counts == {"accepted": 12}


def test_a_destination_that_asks_for_a_long_silence_is_left_for_a_later_run(line, sandbox) -> None:
    sandbox.fault(kind="429", destination="webhook", seconds=3600, retry_after="date", times=None)
    line.plan([operation(n) for n in range(500)])

    report = line.sync()

    assert "asks us to wait 3" in str(report.problem)
    assert set(report.counts) == {"retryable"}
    assert report.request_count <= 6


def test_an_answer_that_is_no_json_leaves_the_outcome_open(line: Line, sandbox) -> None:
    sandbox.fault(kind="malformed", destination="appcues", times=1)
    line.plan([moment(1, destination="appcues"), operation(1, destination="appcues")])

    report = line.sync("appcues")

    assert report.request_count >= 2
    assert sum(report.counts.values()) == 2


def test_secrets_are_in_no_ledger_report_or_message(line: Line, sandbox) -> None:
    secrets = [line.env[name] for name in ("KAIROS_APPCUES_API_SECRET", "KAIROS_APPCUES_API_KEY")]
    sandbox.fault(kind="reject", destination="appcues", users=["user-1"], times=None)
    line.plan([operation(n, destination="appcues") for n in range(3)])
    report = line.sync("appcues")
    line.env["KAIROS_APPCUES_BASE_URL"] = "http://127.0.0.1:9"
    line.plan([operation(n, destination="appcues") for n in range(3, 6)])
    down = line.sync("appcues")

    with Ledger.open(line.home.ledger_url) as ledger:
        everything = repr([report, down, ledger.operations(), ledger.changes_after(0, 1000)])
    for secret in secrets:
        assert secret not in everything


def test_a_doubt_lasts_through_later_failures_until_an_answer_ends_it(line: Line, sandbox) -> None:
    # else a membership that perhaps exists would count as none, and never be removed
    sandbox.fault(kind="commit_then_drop", destination="appcues", times=1)
    sandbox.fault(kind="5xx", destination="appcues", status=503, times=None)
    line.plan([operation(1, destination="appcues")])
    key = operation(1, destination="appcues").idempotency_key

    line.sync("appcues")
    assert line.states()[key] == "unknown"
    line.sync("appcues")
    assert line.states()[key] == "unknown"

    sandbox.faults.clear()
    assert line.sync("appcues").counts == {"accepted": 1}


@pytest.mark.parametrize(
    ("destination", "policy", "after", "times"),
    [
        ("appcues", "skip", {}, 1),
        ("appcues", "resend", {"accepted": 1}, 4),
        # the receiver knows our key: under either policy it is asked until it answers
        ("webhook", "skip", {"accepted": 1}, 1),
        ("webhook", "resend", {"accepted": 1}, 1),
    ],
)
def test_the_seed_alone_says_what_becomes_of_a_message_in_doubt_that_nobody_can_tell(
    line: Line, sandbox, destination, policy, after, times
) -> None:
    with connect(line.home) as connection:
        values = [destination, policy]
        connection.execute("insert into kairos.destinations values (?, ?, true)", values)
    sandbox.fault(kind="commit_then_drop", destination=destination, times=3)
    line.plan([moment(1, destination=destination)])
    patience = replace(QUICK, attempts=3)

    assert line.sync(destination, tuning=patience).counts == {"unknown": 1}
    sandbox.faults.clear()

    assert line.sync(destination, tuning=patience).counts == after
    assert set(sandbox.witness(destination).events.values()) == {times}


def test_who_enters_and_leaves_and_enters_again_is_in(any_line: Line, sandbox) -> None:
    for number, verb in enumerate(["add", "remove", "add", "remove", "add"]):
        any_line.plan([operation(number, destination="appcues", user_key="ann", verb=verb)])
        assert any_line.sync("appcues").counts == {"accepted": 1}
        members = sandbox.witness("appcues").members["people"]
        assert members == ({"ann"} if verb == "add" else set())


def test_a_refused_row_is_tried_by_each_run_until_it_expires_and_holds_up_nobody(
    any_line: Line, sandbox
) -> None:
    sandbox.fault(kind="reject", destination="appcues", users=["ann"], times=None)
    ann = moment(1, destination="appcues", user_key="ann", expires_at=later(hours=2))
    for number in range(2):
        bob = moment(10 + number, destination="appcues", user_key="bob")
        any_line.plan([ann, bob])
        assert any_line.sync("appcues").counts == {"rejected": 1, "accepted": 1}
    any_line.now = later(hours=2)
    any_line.plan([ann])
    assert any_line.sync("appcues").counts == {"expired": 1}
    any_line.plan([])
    assert any_line.sync("appcues").counts == {}

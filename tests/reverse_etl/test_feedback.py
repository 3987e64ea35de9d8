"""What platforms report back of messages: it goes into the ledger, and ends doubts."""

import pytest

from reverse_etl.ledger.caps import Guard
from reverse_etl.ledger.store import Ledger
from reverse_etl.model import State
from reverse_etl.replica import replicate
from tests.reverse_etl.conftest import NOW, Line, later, moment, operation
from warehouse.connection import connect

ANYTHING = Guard([], "UTC")


def land(line: Line, **kinds: str) -> None:
    """Let a platform report kinds of messages by their idempotency keys."""
    with connect(line.home) as connection:
        for key, kind in kinds.items():
            connection.execute(
                "insert into raw.feedback (feedback_id, kind, idempotency_key, loaded_at) "
                "values ($key || $kind, $kind, $key, $at)",
                {"key": key, "kind": kind, "at": line.now.replace(tzinfo=None)},
            )


def report(line: Line, **kinds: str) -> int:
    """Let a platform report, and copy; the changes copied."""
    land(line, **kinds)
    with Ledger.open(line.home.ledger_url) as ledger:
        return replicate(line.home, ledger, line.now)


def test_how_far_a_message_got_is_written_down_once_and_never_taken_back(any_line: Line) -> None:
    names = ["arrived", "opened", "bounced", "silent"]
    any_line.plan([moment(number, key=name) for number, name in enumerate(names)])
    any_line.sync()
    report(any_line)

    assert (
        report(any_line, arrived="delivered", opened="Opened", bounced="bounced", other="shown")
        == 2
    )
    assert report(any_line) == 0
    assert any_line.states() == {
        "arrived": "delivered",
        "opened": "shown",
        "bounced": "accepted",
        "silent": "accepted",
    }

    assert report(any_line, arrived="clicked", opened="delivered") == 1
    assert any_line.states()["arrived"] == any_line.states()["opened"] == "shown"
    [(states,)] = any_line.query(
        "select list(state order by sequence) from raw.sync_operations "
        "where idempotency_key = 'arrived'"
    )
    assert states == ["reserved", "in_flight", "accepted", "delivered", "shown"]


def test_a_report_ends_a_doubt_and_the_message_is_not_sent_again(any_line: Line, sandbox) -> None:
    with connect(any_line.home) as connection:
        connection.execute("insert into kairos.destinations values ('appcues', 'resend', true)")
    sandbox.fault(kind="commit_then_drop", destination="appcues", times=None)
    any_line.plan([moment(n, destination="appcues", key=f"m{n}") for n in range(2)])
    any_line.sync("appcues")
    sandbox.faults.clear()
    sent = sandbox.witness("appcues").events.total()
    assert any_line.states() == {"m0": "unknown", "m1": "unknown"}

    report(any_line, m0="delivered")
    after = any_line.sync("appcues")

    assert (after.done_before, after.counts) == (1, {"accepted": 1})
    assert any_line.states() == {"m0": "delivered", "m1": "accepted"}
    assert sandbox.witness("appcues").events.total() == sent + 1


def test_what_a_dispatcher_has_in_hand_is_left_until_it_let_go(ledger: Ledger) -> None:
    one = moment(1)

    def claim(me: str) -> None:
        ledger.claim(
            [one], owner_id=me, run_id=me, at=NOW, guard=ANYTHING, resends=lambda *_: False
        )

    with ledger.owner("me"):
        claim("me")
        ledger.begin([one.idempotency_key], "me", NOW)
        assert ledger.confirm([(one.idempotency_key, State.SHOWN)], later(seconds=1)) == 0

    assert ledger.confirm([(one.idempotency_key, State.SHOWN)], later(seconds=2)) == 1
    [row] = ledger.operations()
    assert (row.state, row.acknowledged_at) == ("shown", later(seconds=2))


@pytest.mark.parametrize("state", [State.REJECTED, State.SUPPRESSED, State.EXPIRED])
def test_what_ended_otherwise_stays_as_it_is(line: Line, sandbox, state) -> None:
    if state is State.REJECTED:
        sandbox.fault(kind="reject", destination="webhook", users=["user-1"], times=1)
    if state is State.SUPPRESSED:
        line.caps(("none", "all", "*", "rolling", 86_400, "user", 0))
    expires_at = NOW if state is State.EXPIRED else None
    line.plan([moment(1, key="m", scope={}, expires_at=expires_at)])
    line.sync()
    assert line.states() == {"m": state}

    report(line, m="shown")

    assert line.states() == {"m": state}


def test_a_copy_for_an_instant_takes_what_was_reported_by_then(line: Line) -> None:
    line.plan([moment(1, key="m")])
    line.sync()
    line.now = later(hours=1)
    with Ledger.open(line.home.ledger_url) as ledger:
        replicate(line.home, ledger, NOW)
        land(line, m="shown")

        assert replicate(line.home, ledger, later(minutes=59)) == 0
        assert line.states() == {"m": "accepted"}
        assert replicate(line.home, ledger, line.now) == 1
    assert line.states() == {"m": "shown"}


def test_feedback_says_nothing_of_a_membership(line: Line) -> None:
    # a late word on an old operation must not come after a removal
    line.plan([operation(1, key="m")])
    line.sync()

    report(line, m="shown")

    assert line.states() == {"m": "accepted"}

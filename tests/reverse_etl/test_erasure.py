"""One person taken out of destinations and ledger, and everybody else left where they are."""

import json

import pytest
from click.testing import CliRunner

from kairos.commands.erase import command
from kairos.invocation import Invocation
from reverse_etl import destinations
from reverse_etl.erasure import erase_at_destinations
from reverse_etl.errors import LedgerUnavailable
from reverse_etl.ledger.caps import Cap, Guard
from reverse_etl.ledger.store import Ledger, ToReserve
from reverse_etl.model import Scope
from reverse_etl.sandbox import Sandbox
from tests.reverse_etl.conftest import NOW, Line, moment, operation
from warehouse.erasure import Traces

FORGETFUL = (
    "appcues",
    "pendo",
    "braze",
    "customerio",
    "iterable",
    "mixpanel",
    "intercom",
    "webhook",
)
"""Vendors that delete a person when they are asked to."""


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reverse_etl.erasure.PAUSE_SECONDS", 0.001)


def deliver(line: Line, destination: str) -> None:
    line.plan(
        [
            operation(number, destination=destination, user_key=user, object_key=audience)
            for number, (user, audience) in enumerate(
                [("ann", "people"), ("ann", "needs_help"), ("bob", "people")]
            )
        ]
    )
    assert line.sync(destination).status == "done"


def erase(line: Line, ledger: Ledger, user: str = "ann") -> list:
    return list(erase_at_destinations(ledger, user, line.env, lambda: NOW))


@pytest.mark.parametrize("destination", FORGETFUL)
def test_a_vendor_that_can_deletes_the_person(
    line: Line, sandbox: Sandbox, destination: str
) -> None:
    lists = "people=1,needs_help=2"
    line.env |= {"KAIROS_ITERABLE_LISTS": lists} if destination == "iterable" else {}
    deliver(line, destination)
    with Ledger.open(line.home.ledger_url) as ledger:
        [place] = erase(line, ledger)
        assert (place.name, place.row_count, place.problem) == (destination, 3, None)
        assert ledger.memberships("ann") == []
        assert len(ledger.memberships("bob")) == 1
    witness = sandbox.witness(destination)
    assert "ann" in witness.deleted
    assert "bob" not in witness.deleted
    assert "ann" not in witness.profiles


def test_one_destination_that_cannot_be_asked_does_not_keep_the_others(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("appcues", "fax", "webhook")
    line.plan([moment(n, destination=name, user_key="ann") for n, name in enumerate(names)])
    for name in ("appcues", "webhook"):
        line.sync(name)
    with monkeypatch.context() as earlier:
        # a destination of the team's own, which is gone by now
        find = destinations.find
        fax = type("Fax", (find("appcues"),), {"name": "fax"})
        earlier.setattr(destinations, "find", lambda name: fax if name == "fax" else find(name))
        line.env |= {
            variable.replace("APPCUES", "FAX"): value
            for variable, value in line.env.items()
            if "APPCUES" in variable
        }
        line.sync("fax")
    line.env["KAIROS_WEBHOOK_ALLOW_PRIVATE"] = "0"

    with Ledger.open(line.home.ledger_url) as ledger:
        appcues, gone, webhook = erase(line, ledger)

    assert appcues.problem is None and appcues.row_count == 1
    assert "no destination 'fax'" in str(gone.problem) and not gone.is_unfinished
    assert "not a public address" in str(webhook.problem) and webhook.is_unfinished


def test_a_contact_that_intercom_does_not_know_is_no_problem(line: Line, sandbox: Sandbox) -> None:
    deliver(line, "intercom")
    with Ledger.open(line.home.ledger_url) as ledger:
        assert [erase(line, ledger)[0].problem for _ in range(2)] == [None, None]
    searched = [r for r in sandbox.requests("intercom") if r.path.endswith("/contacts/search")]
    deleted = [r for r in sandbox.requests("intercom") if r.method == "DELETE"]
    assert searched
    assert len([r for r in deleted if "/tags/" not in r.path]) == 1


def test_where_nobody_can_be_deleted_they_leave_and_a_person_is_told(
    any_line: Line, sandbox: Sandbox
) -> None:
    deliver(any_line, "amplitude")
    with Ledger.open(any_line.home.ledger_url) as ledger:
        [place] = erase(any_line, ledger)
    assert place.row_count == 2
    assert "by hand" in place.problem
    members = sandbox.witness("amplitude").members
    assert members["people"] == {"bob"}
    assert not members["needs_help"]


def test_a_vendor_that_is_down_or_forgets_to_answer_is_said_and_asked_again(
    line: Line, sandbox: Sandbox
) -> None:
    deliver(line, "braze")
    with Ledger.open(line.home.ledger_url) as ledger:
        sandbox.fault(kind="5xx", destination="braze", path="/users/delete", times=99)
        [place] = erase(line, ledger)
        assert "run this again" in place.problem
        assert place.is_unfinished
        sandbox.faults.clear()
        assert erase(line, ledger)[0].problem is None


def test_who_perhaps_entered_is_taken_out_too(line: Line, sandbox: Sandbox) -> None:
    sandbox.fault(kind="commit_then_drop", destination="amplitude", times=None)
    line.plan([operation(1, destination="amplitude", user_key="ann")])
    assert set(line.sync("amplitude").counts) <= {"unknown", "retryable"}
    assert sandbox.witness("amplitude").members["people"] == {"ann"}
    sandbox.faults.clear()
    with Ledger.open(line.home.ledger_url) as ledger:
        assert ledger.memberships("ann") == [("amplitude", "people")]
        erase(line, ledger)
        assert ledger.memberships("ann") == []
    assert not sandbox.witness("amplitude").members["people"]


def test_a_destination_without_credentials_is_left_to_a_person(line: Line) -> None:
    deliver(line, "braze")
    del line.env["KAIROS_BRAZE_API_KEY"]
    with Ledger.open(line.home.ledger_url) as ledger:
        [place] = erase(line, ledger)
    assert "KAIROS_BRAZE_API_KEY" in place.problem


def test_the_ledger_forgets_one_person(any_line: Line) -> None:
    deliver(any_line, "appcues")
    with Ledger.open(any_line.home.ledger_url) as ledger:
        others = [row for row in ledger.operations() if row.user_key != "ann"]
        assert ledger.erase("ann") > 0
        assert ledger.erase("ann") == 0
        assert ledger.operations() == others
        assert {row.user_key for row in ledger.changes_after(0, 1000)} == {"bob"}


def test_an_account_keeps_its_cap_when_one_of_its_people_is_erased(ledger: Ledger) -> None:
    cap = Cap("one_per_account", "account", "*", "rolling", 86_400, "user", 1)
    guard = Guard([cap])
    scope = Scope(account_id="acme", session_id="session-of-ann")
    assert ledger.reserve([ToReserve("first", "ann", scope)], guard, NOW) == {}
    ledger.erase("ann")
    assert ledger.reserve([ToReserve("second", "bob", scope)], guard, NOW) == {
        "second": "one_per_account"
    }


def test_nobody_is_erased_while_a_run_delivers(ledger: Ledger) -> None:
    with ledger.owner("running"), pytest.raises(LedgerUnavailable, match="has ended"):
        ledger.erase("ann")
    assert ledger.erase("ann") == 0


def test_the_ledger_is_kept_until_every_destination_could_be_asked(
    line: Line, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    nobody = Traces("ann", frozenset(), frozenset(), frozenset(), frozenset())
    monkeypatch.setattr("kairos.commands.erase.trace", lambda home, user: nobody)
    monkeypatch.setattr("kairos.commands.erase.build", lambda *_, **__: None)
    deliver(line, "braze")

    def run() -> dict:
        invocation = Invocation(line.env, line.home)
        done = CliRunner().invoke(command, ["ann", "--yes", "--json"], obj=invocation)
        return {"status": done.exit_code, **json.loads(done.stdout)}

    sandbox.fault(kind="5xx", destination="braze", path="/users/delete", times=99)
    first = run()
    assert (first["status"], first["is_complete"]) == (3, False)
    assert "ann" not in json.dumps(first)
    sandbox.faults.clear()
    assert run()["status"] == 0
    assert "ann" in sandbox.witness("braze").deleted
    with Ledger.open(line.home.ledger_url) as ledger:
        assert {row.user_key for row in ledger.operations()} == {"bob"}

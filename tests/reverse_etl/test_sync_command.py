"""`kairos sync` as a person or a scheduler calls it: what it says, and how it ends."""

import json
import re
from collections.abc import Callable
from functools import partial

import click.testing
import pytest

import kairos.commands.sync as command
from kairos import cli
from kairos.invocation import NEEDS_A_PERSON
from reverse_etl.sync import SyncOptions
from tests.reverse_etl.conftest import NOW, QUICK, Line, moment, operation

Call = Callable[..., click.testing.Result]


@pytest.fixture
def call(line: Line, monkeypatch) -> Call:
    # a developer's own .env is not for tests
    monkeypatch.setattr(cli, "PROJECT", line.home.root)
    monkeypatch.setattr(command, "SyncOptions", partial(SyncOptions, tuning=QUICK))

    def call(*args: str) -> click.testing.Result:
        args = ("sync", *args, "--as-of", NOW.isoformat())
        return click.testing.CliRunner().invoke(cli.main, args, env=line.env)

    return call


def people(count: int, **fields: str) -> list:
    return [operation(n, destination="appcues", **fields) for n in range(count)]


def test_all_delivered_is_status_0_and_so_is_nothing_to_do(line: Line, call: Call) -> None:
    line.plan(people(3))

    first, second = call("appcues"), call("appcues")

    assert (first.exit_code, second.exit_code) == (0, 0)
    assert first.stdout == "appcues: 3 accepted (1 request, done)\n"
    assert second.stdout == "appcues: 3 done before (0 requests, done)\n"


def test_a_program_reads_the_same_as_json(line: Line, call: Call) -> None:
    line.plan(people(3))

    [report] = json.loads(call("appcues", "--json").stdout)["reports"]

    assert (report["status"], report["counts"]) == ("done", {"accepted": 3})


@pytest.mark.parametrize(
    ("fault", "state"),
    [
        ({"kind": "reject", "users": ["user-1"], "times": None}, "rejected"),
        ({"kind": "5xx", "status": 500, "times": None}, "unknown"),
    ],
)
def test_rows_refused_or_in_doubt_need_a_person(line: Line, call, sandbox, fault, state) -> None:
    sandbox.fault(destination="appcues", **fault)
    line.env["KAIROS_APPCUES_BATCH_COUNT"] = "1"
    line.plan([moment(n, destination="appcues") for n in range(2)])

    done = call("appcues")

    assert done.exit_code == NEEDS_A_PERSON
    assert f"1 {state}" in done.stdout or f"2 {state}" in done.stdout
    [run_id] = re.findall(
        rf"\d {state}: raw\.sync_operations says why, by run_id (\S+)", done.stderr
    )
    why = line.query(
        "select error_code is not null and error_message is not null from raw.sync_operations "
        f"where run_id = '{run_id}' and state = '{state}'"
    )
    assert why and all(is_said for (is_said,) in why)


def test_what_nobody_can_tell_is_listed_and_not_sent_again(line: Line, call, sandbox) -> None:
    sandbox.fault(kind="commit_then_drop", destination="appcues", times=1)
    line.plan([moment(1, destination="appcues", user_key="ann", key="m")])

    assert call("appcues").exit_code == NEEDS_A_PERSON
    call("appcues")

    doubtful = line.query(
        "select user_key, error_code from raw.sync_operations where state = 'unknown'"
    )
    assert doubtful == [("ann", "no_answer")]
    assert line.states() == {"m": "unknown"}
    assert sandbox.witness("appcues").events.total() == 1


def test_a_destination_that_is_down_does_not_stop_the_other(line: Line, call) -> None:
    line.env["KAIROS_APPCUES_BASE_URL"] = "http://127.0.0.1:9"
    line.plan([operation(1), operation(2, destination="appcues")])

    done = call("appcues", "webhook")

    assert done.exit_code == NEEDS_A_PERSON
    assert "webhook: 1 accepted" in done.stdout
    assert "appcues failed to take 1 operation" in done.stderr


def test_a_mass_removal_waits_for_the_word_of_a_person(line: Line, call, sandbox) -> None:
    line.plan(people(20))
    call("appcues")
    line.plan(people(20, verb="remove"))

    held = call("appcues")
    allowed = call("appcues", "--allow-mass-removal")

    assert held.exit_code == NEEDS_A_PERSON
    assert "20 of 20 members (100 %) would leave audience people" in held.stderr
    assert allowed.exit_code == 0
    assert sandbox.witness("appcues").members["people"] == set()


def test_a_dry_run_sends_nothing_and_shows_nobody(line: Line, call, sandbox) -> None:
    line.plan(people(30, user_key="ann@example.com"))

    shown = call("appcues", "--dry-run")

    assert shown.exit_code == 0
    assert shown.stdout.startswith("appcues: would send 30 operations\n")
    assert "ann@" not in shown.output
    assert not sandbox.requests("appcues")


def test_a_destination_that_is_not_set_up_is_one_sentence(line: Line, call) -> None:
    line.plan(people(1))
    for name in [name for name in line.env if name.startswith("KAIROS_APPCUES_")]:
        del line.env[name]

    named = call("appcues")

    assert named.exit_code == 1
    assert "set KAIROS_APPCUES_" in named.stderr
    assert "skipped: " in call().stderr


@pytest.mark.parametrize(
    "args", [["--full-resync"], ["appcues", "--full-resync", "--dry-run"], ["--max-rows", "-1"]]
)
def test_wrong_usage_is_status_2(line: Line, call, args) -> None:
    assert call(*args).exit_code == 2

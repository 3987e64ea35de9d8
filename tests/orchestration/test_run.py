"""The whole line, from two files in the landing folder to messages that were delivered."""

import gzip
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from click.testing import CliRunner

from kairos.cli import main
from orchestration.instance import instance
from orchestration.run import QUIETLY, LineStopped, Summary, run_line
from reverse_etl.dispatch.patience import Tuning
from reverse_etl.ledger.caps import Guard
from reverse_etl.ledger.store import Ledger
from reverse_etl.model import Result, State
from reverse_etl.resync import MODELS
from reverse_etl.sandbox import Sandbox
from reverse_etl.sync import SyncOptions
from tests.reverse_etl.conftest import operation
from warehouse.connection import connect
from warehouse.home import Home
from warehouse.lock import writer

MORNING = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
AS_OF = MORNING + timedelta(minutes=10)
NOBODY_LISTENS = "http://127.0.0.1:9"
SECRET = "s3cr3t-of-the-webhook"
IMPATIENT = SyncOptions(tuning=Tuning(attempts=1, patience_seconds=0.2))


def event(user: str, name: str, second: int, **properties: Any) -> dict[str, Any]:
    """One event of somebody, so many seconds after nine."""
    return {
        "event_id": f"{user}-{name}-{second}",
        "user_id": user,
        "anonymous_id": f"browser-of-{user}",
        "event_name": name,
        "event_at": (MORNING + timedelta(seconds=second)).isoformat(),
        "page_url": "https://app.example.com/welcome",
        "properties": properties,
    }


def land(home: Home) -> None:
    """Land the morning of Ann, who finishes, and of Ben, whose button fails; and a broken file."""
    events = [
        event("ann", "sign_up", 0),
        event("ann", "onboarding_completed", 300),
        *(event("ben", "cta_click_failed", second, cta_id="save") for second in (60, 62, 64)),
    ]
    lines = "".join(json.dumps(one) + "\n" for one in events)
    (home.landing / "morning.jsonl").write_text(lines)
    (home.landing / "cut.jsonl.gz").write_bytes(gzip.compress(lines.encode())[:-20])


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


class Days:
    """What two runs of the line left behind: the first met a destination that was down."""

    home: Home
    env: Mapping[str, str]
    first: Summary
    sent_first: list[Any]
    second: Any
    sent_second: list[Any]


@pytest.fixture(scope="module")
def days(tmp_path_factory: pytest.TempPathFactory, sandbox: Sandbox) -> Days:
    days = Days()
    root = tmp_path_factory.mktemp("line")
    days.home = Home.from_env({"KAIROS_HOME": str(root)}).ensure()
    land(days.home)
    days.env = {**sandbox.environment("appcues", "webhook"), "KAIROS_HOME": str(root)}

    down = {**days.env, "KAIROS_APPCUES_BASE_URL": NOBODY_LISTENS}
    days.first = run_line(days.home, AS_OF, down, options=IMPATIENT)
    days.sent_first = requests(sandbox)

    arguments = ["run", "--as-of", (AS_OF + timedelta(minutes=5)).isoformat(), "--json"]
    days.second = CliRunner().invoke(main, arguments, env=days.env)
    days.sent_second = requests(sandbox)[len(days.sent_first) :]
    return days


def requests(sandbox: Sandbox) -> list[Any]:
    return list(sandbox.journal.entries)


def outcomes(summary: Summary) -> dict[str, Any]:
    return {step.name: step.outcome for step in summary.steps}


def rows(home: Home, query: str) -> list[tuple[Any, ...]]:
    with connect(home, read_only=True) as connection:
        return connection.execute(query).fetchall()


def test_one_file_that_is_refused_does_not_stop_the_others(days: Days) -> None:
    done = outcomes(days.first)["landing"].ingestion

    assert [load.row_count for load in done.taken] == [5]
    assert [Path(refusal.path).name for refusal in done.refused] == ["cut.jsonl.gz"]


def test_a_destination_that_is_down_leaves_the_rest_done(days: Days) -> None:
    steps = outcomes(days.first)

    assert steps["sync/appcues"].status == "incomplete"
    assert steps["sync/webhook"].counts == {"accepted": 1}
    assert list(steps)[-1] == "outcomes"
    refused, down = days.first.problems
    assert "cut.jsonl.gz is damaged" in refused
    assert down.startswith("sync/appcues: ")


def test_outcomes_count_what_was_delivered_in_the_same_run(days: Days) -> None:
    [(accepted,)] = rows(
        days.home,
        "select accepted_count from kairos.trigger_health_daily "
        "where trigger_name = 'onboarding_congratulation'",
    )

    assert accepted == 1


def test_the_next_run_sends_what_was_left_and_nothing_twice(days: Days) -> None:
    steps = {step["step"]: step for step in json.loads(days.second.stdout)["steps"]}

    assert steps["landing"]["files"] == 0
    assert steps["sync/webhook"]["planned"] == 0
    assert steps["sync/appcues"]["counts"]["accepted"] >= 1
    assert {entry.destination for entry in days.sent_second} == {"appcues"}
    assert (
        rows(
            days.home,
            "select idempotency_key from kairos.sync_operations "
            "group by idempotency_key having count(*) filter (state = 'accepted') <> 1",
        )
        == []
    )


def test_a_run_that_needs_a_person_says_so_and_exits_3(days: Days) -> None:
    assert days.second.exit_code == 3
    [problem] = json.loads(days.second.stdout)["problems"]
    assert "cut.jsonl.gz" in problem


def test_dagster_shows_the_run_with_its_instant_and_its_counts(days: Days) -> None:
    with instance(days.home) as history:
        run = history.get_run_by_id(days.first.run_id)
        assert run.is_success
        assert run.tags["kairos/as_of"] == AS_OF.isoformat()

        log = history.all_logs(days.first.run_id)
        materialised = [
            entry.dagster_event.step_materialization_data.materialization
            for entry in log
            if entry.dagster_event and entry.dagster_event.is_step_materialization
        ]
    metadata = {one.asset_key.to_user_string(): one.metadata for one in materialised}
    assert metadata["sync/webhook"]["state/accepted"].value == 1
    assert metadata["sync/appcues"]["status"].value == "incomplete"
    assert {"events", "sync_plan", "trigger_health_daily"} <= metadata.keys()


def test_neither_payloads_nor_secrets_come_into_the_history(days: Days) -> None:
    secrets = [value for name, value in days.env.items() if "SECRET" in name or "API_KEY" in name]
    people = [b"browser-of-ann", b"browser-of-ben"]
    history = b"".join(
        file.read_bytes() for file in (days.home.root / "dagster").rglob("*") if file.is_file()
    )

    assert secrets
    for word in [secret.encode() for secret in secrets] + people:
        assert word not in history


def test_a_warehouse_that_somebody_writes_to_is_one_sentence(home: Home) -> None:
    env = {"KAIROS_HOME": str(home.root), "KAIROS_LOCK_TIMEOUT_SECONDS": "0"}
    with writer(home):
        done = subprocess.run(
            [sys.executable, "-m", "kairos", "run"],
            env={**env, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            text=True,
        )

    assert done.returncode == 1
    assert done.stdout == ""
    last = done.stderr.splitlines()[-1]
    assert last.startswith("kairos: process ") and str(home.warehouse) in last
    assert "Traceback" not in done.stderr


def test_a_model_that_cannot_be_built_stops_the_syncs(
    home: Home, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    with connect(home) as connection:
        connection.execute("create schema raw; create table raw.events (event_at integer[])")
    before = len(requests(sandbox))

    with pytest.raises(LineStopped, match="stg_kairos__events") as stopped:
        run_line(home, AS_OF, sandbox.environment("webhook"))

    assert len(requests(sandbox)) == before
    assert "sync/webhook" not in outcomes(stopped.value.summary)


def test_a_person_may_run_a_part_of_the_line_from_the_ui(
    home: Home, location: dg.Definitions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAIROS_HOME", str(home.root))
    land(home)
    job = location.resolve_job_def("run_line")
    landed = [
        spec.key
        for spec in location.resolve_all_asset_specs()
        if spec.key.path[0] == "raw" and spec.group_name == "events"
    ]

    with instance(home) as history:
        for keys in (landed, [dg.AssetKey("stg_kairos__events")]):
            assert job.execute_in_process(
                asset_selection=keys, instance=history, run_config=QUIETLY
            ).success

    assert rows(home, "select count(*) from kairos.stg_kairos__events") == [(5,)]


def test_a_full_resync_says_everything_again_and_keeps_removals(
    days: Days, sandbox: Sandbox
) -> None:
    """A platform that lost one person and brought back another is put right; no message repeats."""
    appcues = sandbox.witness("appcues")
    messages = dict(appcues.events)
    members = {name: set(people) for name, people in appcues.members.items()}
    with Ledger.open(days.home.ledger_url) as ledger:
        leave(ledger, "needs_help", "zoe")
    for people in appcues.members.values():
        people.clear()
    appcues.members["needs_help"].add("zoe")
    appcues.profiles.clear()
    at = (AS_OF + timedelta(minutes=6)).isoformat()
    asked = ["sync", "appcues", "--as-of", at, "--json"]

    planned = CliRunner().invoke(
        main, [*asked, "--full-resync", "--max-rows", "0"], env=days.env, catch_exceptions=False
    )
    done = CliRunner().invoke(main, asked, env=days.env, catch_exceptions=False)
    plan = ["build", *(f"--select={models}" for models in MODELS), "--as-of", at]
    built = CliRunner().invoke(main, plan, env=days.env, catch_exceptions=False)
    again = CliRunner().invoke(main, asked, env=days.env, catch_exceptions=False)

    assert planned.exit_code == 0, planned.output
    assert built.exit_code == 0, built.output
    assert json.loads(planned.stdout)["reports"][0]["request_count"] == 0
    assert done.exit_code == 0, done.output
    assert appcues.members == members
    assert members["needs_help"] and members["onboarding_completed"]
    assert appcues.profiles
    assert dict(appcues.events) == messages
    assert json.loads(again.stdout)["reports"][0]["planned_count"] == 0


def leave(ledger: Ledger, audience: str, user_key: str) -> None:
    """Write into the ledger that somebody entered an audience once, and left it."""
    for verb in ("add", "remove"):
        done = replace(
            operation(0, destination="appcues", object_key=audience, user_key=user_key, verb=verb),
            planned_at=AS_OF,
        )
        with ledger.owner(verb):
            ledger.claim(
                [done],
                owner_id=verb,
                run_id=verb,
                at=AS_OF,
                guard=Guard([], "UTC"),
                resends=lambda *_: True,
            )
            ledger.begin([done.idempotency_key], verb, AS_OF)
            ledger.finish([(done, Result(State.ACCEPTED, 200))], verb, AS_OF)


def test_a_full_resync_before_the_first_build_says_what_to_do(home: Home, sandbox: Sandbox) -> None:
    env = {"KAIROS_HOME": str(home.root), **sandbox.environment("webhook")}

    done = CliRunner().invoke(main, ["sync", "webhook", "--full-resync"], env=env)

    assert done.exit_code == 1
    assert "or `kairos build`" in done.stderr

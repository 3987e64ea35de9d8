"""Dagster's history: written by us, read back by Dagster, and kept in bounds."""

import os
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from orchestration.instance import KEEP, dagster_home, forget_old_runs, instance, release_pool
from orchestration.line import run_line_schedule
from orchestration.surroundings import POOL
from warehouse.home import Home
from warehouse.lock import writer


@dg.asset(check_specs=[dg.AssetCheckSpec("fine", asset="thing")])
def thing() -> dg.MaterializeResult:
    return dg.MaterializeResult(
        metadata={"rows": 3}, check_results=[dg.AssetCheckResult(passed=True)]
    )


def test_what_a_run_wrote_is_there_for_the_next_process(home: Home) -> None:
    with instance(home) as history:
        run_id = dg.materialize([thing], instance=history).run_id

    with instance(home) as history:
        event = history.get_latest_materialization_event(thing.key)
        [check] = history.event_log_storage.get_asset_check_execution_history(
            dg.AssetCheckKey(thing.key, "fine"), limit=5
        )
        assert event is not None and event.run_id == run_id
        assert event.asset_materialization.metadata["rows"].value == 3
        assert check.run_id == run_id
        assert history.get_run_by_id(run_id).status == dg.DagsterRunStatus.SUCCESS


def test_the_settings_send_nothing_to_anybody(home: Home) -> None:
    settings = (dagster_home(home) / "dagster.yaml").read_text()

    assert "telemetry:\n  enabled: false" in settings
    assert oct((home.root / "dagster").stat().st_mode)[-3:] == "700"


def test_old_runs_are_forgotten_and_young_ones_kept(home: Home) -> None:
    with instance(home) as history:
        run_id = dg.materialize([thing], instance=history).run_id

        assert forget_old_runs(history, datetime.now(UTC)) == 0
        assert forget_old_runs(history, datetime.now(UTC) + KEEP + timedelta(minutes=1)) == 1
        assert not history.has_run(run_id)


def claim(history: dg.DagsterInstance, run_id: str) -> bool:
    storage = history.event_log_storage
    storage.initialize_concurrency_limit_to_default(POOL)
    return storage.claim_concurrency_slot(POOL, run_id, "models").is_claimed


def test_a_killed_run_does_not_keep_the_pool(home: Home) -> None:
    with instance(home) as history:
        assert claim(history, "killed")
        assert not claim(history, "killed while it waited")
        release_pool(home, history)

    with instance(home) as history:
        assert claim(history, "next")


def test_the_pool_is_left_alone_while_somebody_writes(home: Home) -> None:
    with instance(home) as history:
        assert claim(history, "at work")

    with writer(home):
        pid = os.fork()
        if pid == 0:
            with instance(home) as history:
                release_pool(home, history)
            os._exit(0)
        os.waitpid(pid, 0)

    with instance(home) as history:
        assert not claim(history, "next")


def test_the_schedule_does_not_double_a_run_that_still_goes_on(home: Home) -> None:
    with instance(home) as history:
        context = dg.build_schedule_context(instance=history)
        assert isinstance(run_line_schedule(context), dg.RunRequest)

        history.add_run(
            dg.DagsterRun(job_name="run_line", run_id="1", status=dg.DagsterRunStatus.STARTED)
        )

        assert isinstance(run_line_schedule(context), dg.SkipReason)


@pytest.fixture(autouse=True)
def _no_dagster_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)

"""The code location loads, and lists what it should, without any credential or warehouse."""

import subprocess
import sys
from pathlib import Path

import dagster as dg

from orchestration.dbt import RECORDED
from orchestration.deliveries import CHECK, PLAN
from orchestration.line import landing_sensor, run_line_schedule
from reverse_etl import destinations

WORDS = {"events", "sessions", "signals", "scores", "triggers", "deliveries", "outcomes"}


def test_every_model_seed_and_raw_table_is_an_asset(location: dg.Definitions) -> None:
    keys = {key.to_user_string() for key in location.resolve_all_asset_keys()}

    assert {"raw/events", "raw/users", "raw/sync_operations", "stg_kairos__events"} <= keys
    assert {"events", "sessions", "signals", "intent_scores", "signal_thresholds"} <= keys
    assert {"trigger_decisions", "sync_plan", "trigger_health_daily"} <= keys


def test_each_asset_belongs_to_a_word_of_the_line(location: dg.Definitions) -> None:
    groups = {spec.group_name for spec in location.resolve_all_asset_specs()}

    assert WORDS <= groups <= WORDS | {"staging", "configuration"}


def test_dbt_tests_are_checks_of_their_models(location: dg.Definitions) -> None:
    checks = location.resolve_asset_graph().asset_check_keys

    assert dg.AssetCheckKey(dg.AssetKey("events"), "unique_events_event_id") in checks


def test_there_is_a_sync_for_each_destination_that_follows_the_plan(
    location: dg.Definitions,
) -> None:
    graph = location.resolve_asset_graph()
    for name in destinations.names():
        key = dg.AssetKey(["sync", name])
        assert graph.get(key).parent_keys == {PLAN}
        assert dg.AssetCheckKey(key, CHECK) in graph.asset_check_keys


def test_outcomes_follow_what_the_syncs_did(location: dg.Definitions) -> None:
    graph = location.resolve_asset_graph()
    syncs = {dg.AssetKey(["sync", name]) for name in destinations.names()}
    outcomes = [
        spec for spec in location.resolve_all_asset_specs() if spec.group_name == "outcomes"
    ]

    assert graph.get(RECORDED).parent_keys == syncs
    assert outcomes
    assert all(RECORDED in graph.get(spec.key).parent_keys for spec in outcomes)


def test_one_job_runs_everything_in_one_process(location: dg.Definitions) -> None:
    job = location.resolve_job_def("run_line")

    assert job.executor_def is dg.in_process_executor
    assert job.asset_layer.executable_asset_keys == (
        location.resolve_asset_graph().materializable_asset_keys
    )


def test_schedule_and_sensor_wait_until_somebody_turns_them_on(location: dg.Definitions) -> None:
    assert location.resolve_schedule_def("run_line_schedule").cron_schedule == "*/15 * * * *"
    assert run_line_schedule.default_status == dg.DefaultScheduleStatus.STOPPED
    assert landing_sensor.default_status == dg.DefaultSensorStatus.STOPPED


def test_whatever_touches_the_warehouse_waits_in_one_pool(location: dg.Definitions) -> None:
    job = location.resolve_job_def("run_line")

    assert {op.pool for op in job.graph.iterate_op_defs()} == {"warehouse"}


def test_importing_the_code_location_does_nothing(tmp_path: Path) -> None:
    code = "import orchestration.definitions, sys; print('dbt.cli.main' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"KAIROS_HOME": str(tmp_path / "home"), "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.strip() == "False"
    assert list(tmp_path.iterdir()) == []

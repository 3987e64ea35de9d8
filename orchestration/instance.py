"""Where Dagster keeps the history of runs, so that `make dev` shows what `kairos run` did."""

from datetime import datetime, timedelta
from pathlib import Path

import dagster as dg

from orchestration.surroundings import COMMAND, POOL
from warehouse.errors import WarehouseLocked
from warehouse.home import Home
from warehouse.lock import writer

KEEP = timedelta(days=14)
"""How long a run is remembered: every quarter of an hour, that is some 1,300 of them."""

FORGET_AT_ONCE = 20
"""Runs that are forgotten in one go, so that nobody waits for it."""

SETTINGS = """\
# Written by Kairos at every start: changes are lost. It names no secret.
telemetry:
  enabled: false

event_log_storage:
  module: orchestration.history
  class: History
  config:
    base_dir: {events}

# steps write nothing to their standard output that the event log does not have
compute_logs:
  module: dagster._core.storage.noop_compute_log_manager
  class: NoOpComputeLogManager

# one writer at a time on the warehouse file
concurrency:
  pools:
    default_limit: 1
    granularity: op
  runs:
    max_concurrent_runs: 1

retention:
  schedule: {{purge_after_days: 14}}
  sensor: {{purge_after_days: {{skipped: 1, success: 14, failure: 14}}}}
"""


def dagster_home(home: Home) -> Path:
    """Write Dagster's settings below the home, and return their folder."""
    folder = home.ensure().root / "dagster"
    folder.mkdir(mode=0o700, exist_ok=True)
    settings = SETTINGS.format(events=folder / "history" / "runs")
    path = folder / "dagster.yaml"
    if not path.exists() or path.read_text() != settings:
        path.write_text(settings)
    return folder


def instance(home: Home) -> dg.DagsterInstance:
    """Open the history of runs; use it as a context manager, else its files stay open."""
    return dg.DagsterInstance.from_config(str(dagster_home(home)))


def release_pool(home: Home, history: dg.DagsterInstance) -> None:
    """Free the pool of runs that are gone: a killed process cannot do it, and all would wait.

    While nobody holds the one-writer lock, no claim stands for work on the warehouse. The caller
    sees to it that no other `kairos run` is under way.
    """
    try:
        with writer(home, timeout_seconds=0, on_wait=lambda _: None):
            storage = history.event_log_storage
            pool = storage.get_concurrency_info(POOL)
            waiting = {step.run_id for step in pool.pending_steps}
            for run_id in {run_id for run_id in waiting if _is_gone(history, run_id)}:
                storage.free_concurrency_slots_for_run(run_id)
            for run_id in pool.active_run_ids:
                storage.free_concurrency_slots_for_run(run_id)
    except WarehouseLocked:
        return


def _is_gone(history: dg.DagsterInstance, run_id: str) -> bool:
    run = history.get_run_by_id(run_id)
    return run is None or run.is_finished or COMMAND in run.tags


def forget_old_runs(history: dg.DagsterInstance, now: datetime) -> int:
    """Delete some of the runs that ended longer ago than `KEEP`; returns how many."""
    ended = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
    old = history.get_run_records(
        dg.RunsFilter(statuses=ended, updated_before=now - KEEP),
        limit=FORGET_AT_ONCE,
        ascending=True,
    )
    for record in old:
        history.delete_run(record.dagster_run.run_id)
    return len(old)

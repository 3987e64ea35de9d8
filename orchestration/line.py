"""The whole line as one job, and what starts it: the clock, or files that have landed."""

import hashlib
import json
import os
from datetime import UTC, datetime, timedelta

import dagster as dg

from orchestration.instance import forget_old_runs
from orchestration.landing import Marks, new_files, settled
from warehouse.home import Home
from warehouse.ingest.files import find

EVERY_QUARTER_OF_AN_HOUR = "*/15 * * * *"
LOOK_EVERY_SECONDS = 30

QUIET = timedelta(seconds=10)
"""A file that changed more recently may still be being written."""

UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]

run_line = dg.define_asset_job(
    "run_line",
    selection=dg.AssetSelection.all() | dg.AssetSelection.all_asset_checks(),
    executor_def=dg.in_process_executor,
    description="The whole line once: from the landing folder to outcomes.",
)


@dg.schedule(
    job=run_line,
    cron_schedule=EVERY_QUARTER_OF_AN_HOUR,
    default_status=dg.DefaultScheduleStatus.STOPPED,
    description="The whole line every quarter of an hour; a run that still goes on is not doubled.",
)
def run_line_schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Start the line, unless it is under way; and forget the oldest runs."""
    forget_old_runs(context.instance, datetime.now(UTC))
    under_way = dg.RunsFilter(job_name=run_line.name, statuses=UNFINISHED)
    if context.instance.get_runs_count(under_way):
        return dg.SkipReason("the line is still running")
    return dg.RunRequest()


@dg.sensor(
    job=run_line,
    minimum_interval_seconds=LOOK_EVERY_SECONDS,
    default_status=dg.DefaultSensorStatus.STOPPED,
    description="Starts the line when files have landed and are complete.",
)
def landing_sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
    """Ask for one run for all files that have come or changed since the last one."""
    folder = Home.from_env(os.environ).landing
    files = find([str(folder)]).files if folder.is_dir() else ()
    known = {name: tuple(mark) for name, mark in json.loads(context.cursor or "{}").items()}
    marks = settled(new_files(files, known), datetime.now(UTC), QUIET)
    if not marks:
        return dg.SkipReason(f"nothing new has landed in {folder}")
    names = {str(file) for file in files}
    still_there = {name: mark for name, mark in known.items() if name in names}
    return dg.SensorResult(
        [dg.RunRequest(run_key=_digest(marks), tags={"kairos/files": str(len(marks))})],
        cursor=json.dumps({**still_there, **marks}),
    )


def _digest(marks: Marks) -> str:
    return hashlib.sha256(json.dumps(marks, sort_keys=True).encode()).hexdigest()

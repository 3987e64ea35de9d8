"""The whole line once, through Dagster, in this process."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from time import monotonic
from typing import Any

import dagster as dg
from filelock import FileLock, Timeout

from orchestration.definitions import definitions
from orchestration.ingest import Landing
from orchestration.instance import dagster_home, forget_old_runs, instance, release_pool
from orchestration.line import run_line as job
from orchestration.surroundings import AS_OF, COMMAND, Listener, Silence, Surroundings, clock
from reverse_etl.errors import NotConfigured
from reverse_etl.sync import SyncOptions, SyncReport
from warehouse.connection import connect, lock_timeout, writer
from warehouse.errors import KairosError
from warehouse.home import Home

QUIETLY = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass(frozen=True)
class Step:
    """What one step of the line came to."""

    name: str
    elapsed_seconds: float
    outcome: Any
    """A `Landing`, a `Transformation`, a `SyncReport`, a number of changes, or an error."""


@dataclass(frozen=True)
class Summary:
    """What one run of the line came to."""

    run_id: str
    as_of: datetime | None
    elapsed_seconds: float
    steps: tuple[Step, ...]

    @property
    def problems(self) -> list[str]:
        """What needs a person, a sentence each."""
        return [problem for step in self.steps for problem in problems(step)]


class LineStopped(KairosError):
    """A step could not do its work, and what reads from it was not done."""

    def __init__(self, message: str, summary: Summary) -> None:
        """Keep what was done beside the message."""
        super().__init__(message)
        self.summary = summary


def run_line(
    home: Home,
    as_of: datetime | None,
    env: Mapping[str, str],
    listener: Listener | None = None,
    options: SyncOptions | None = None,
) -> Summary:
    """Take what has landed, build, deliver and count it, and say what came of each step.

    `as_of` is "now" for all of it; None is the real clock. `env` has the settings of destinations.
    Raises `LineStopped` where a step could not do its work. A refused file, a destination that is
    down and the like are the summary's `problems`.
    """
    begin = monotonic()
    notes = _Notes(listener or Silence())
    surroundings = Surroundings(home, env, notes, options or SyncOptions())
    with _alone(home, env):
        job_def = definitions(home).resolve_job_def(job.name)
        _look_in(home, env)
        with instance(home) as history:
            release_pool(home, history)
            _bury(history)
            result = job_def.execute_in_process(
                run_config=QUIETLY,
                instance=history,
                resources={"surroundings": surroundings},
                tags={COMMAND: "kairos run", **({AS_OF: as_of.isoformat()} if as_of else {})},
                raise_on_error=False,
            )
            forget_old_runs(history, clock(None)())
    summary = Summary(result.run_id, as_of, monotonic() - begin, tuple(notes.steps))
    if not result.success:
        error = notes.error
        raise LineStopped(str(error or _reason(result)), summary) from error
    return summary


def problems(step: Step) -> list[str]:
    """Say what in a step needs a person."""
    match step.outcome:
        case Landing():
            return [str(refusal) for refusal in step.outcome.ingestion.refused]
        case NotConfigured():
            return []
        case SyncReport() if step.outcome.needs_a_person:
            report = step.outcome
            return [f"sync/{report.destination}: {sentence}" for sentence in report.sentences]
        case Exception():
            return [f"{step.name}: {step.outcome}"]
    return []


@dataclass
class _Notes:
    """Writes down what the steps tell, and passes it on."""

    listener: Listener
    steps: list[Step] = field(default_factory=list)
    error: Exception | None = None
    begin: float = 0.0

    def started(self, step: str) -> None:
        self.begin = monotonic()
        self.listener.started(step)

    def progressed(self, done: float, total: float, text: str) -> None:
        self.listener.progressed(done, total, text)

    def finished(self, step: str, outcome: Any) -> None:
        self.steps.append(Step(step, monotonic() - self.begin, outcome))
        self.listener.finished(step, outcome)

    def failed(self, step: str, error: Exception) -> None:
        self.steps.append(Step(step, monotonic() - self.begin, error))
        self.error = self.error or error
        self.listener.failed(step, error)


@contextmanager
def _alone(home: Home, env: Mapping[str, str]) -> Iterator[None]:
    """Let one `kairos run` at a time into a home: two would only wait for each other."""
    lock = FileLock(dagster_home(home) / "run.lock")
    seconds = lock_timeout(env)
    try:
        with lock.acquire(timeout=seconds):
            yield
    except Timeout as error:
        raise KairosError(
            f"another `kairos run` is at work in {home.root} and did not end within {seconds:g} s: "
            "wait for it, then run this again"
        ) from error


def _look_in(home: Home, env: Mapping[str, str]) -> None:
    """Wait for the warehouse, or fail, once and before all: not in each step that needs it."""
    with writer(home, lock_timeout(env)), connect(home):
        return


def _bury(history: dg.DagsterInstance) -> None:
    """Mark runs as failed whose process was killed: nobody else is at work here."""
    started = dg.RunsFilter(tags={COMMAND: "kairos run"}, statuses=[dg.DagsterRunStatus.STARTED])
    for run in history.get_runs(started):
        history.report_run_failed(run, "its process ended before the run did")


def _reason(result: dg.ExecuteInProcessResult) -> str:
    failed = [event for event in result.all_events if event.is_failure]
    return failed[0].message if failed and failed[0].message else "the run failed"

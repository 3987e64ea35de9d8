"""Delivers one destination's plan: what the command line, Dagster and the tests all call."""

import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import duckdb
import yaml

from reverse_etl import destinations
from reverse_etl.destinations.base import Destination, InDoubt
from reverse_etl.dispatch.dispatcher import Dispatcher
from reverse_etl.dispatch.patience import Tuning
from reverse_etl.dispatch.record import Outcome
from reverse_etl.dispatch.transport import Transport
from reverse_etl.guard import HeldBack, held_back, max_removal_pct
from reverse_etl.ledger.caps import Cap, Guard, read_caps
from reverse_etl.ledger.store import Ledger, Standing
from reverse_etl.masking import harmless
from reverse_etl.model import State
from reverse_etl.plan import planned, reading_plan, require_plan
from reverse_etl.replica import recover
from warehouse.home import PROJECT, Home

NEEDS_A_PERSON = (State.REJECTED, State.INVALID, State.UNKNOWN)
UNTRIED = (State.PLANNED, State.RESERVED)
"""States of what a run had in hand and did not begin, because it was told to stop."""


@dataclass(frozen=True)
class SyncOptions:
    """What a person may ask of a run beyond its destination."""

    max_rows: int | None = None
    allow_mass_removal: bool = False
    tuning: Tuning = field(default_factory=Tuning)


@dataclass(frozen=True)
class SyncReport:
    """What a run came to: numbers and sentences, never payloads."""

    run_id: str
    destination: str
    status: str
    """`done`, `stopped` (asked to), or `incomplete` (the destination did not let us finish)."""
    counts: Mapping[str, int]
    """Operations of this run by the state in which it left them."""
    planned_count: int
    request_count: int
    done_before: int
    """Planned, but done by an earlier run that the warehouse has not seen yet, or left in doubt by
    one: nothing to do."""
    held_elsewhere: int
    """Planned, but in the hands of another dispatcher."""
    not_attempted: int
    """Planned and left for a later run."""
    problem: str | None
    warnings: tuple[str, ...]
    started_at: datetime
    finished_at: datetime

    @property
    def sentences(self) -> list[str]:
        """What somebody should know, and where to look."""
        listed = ", ".join(
            f"{count:,} {state}" for state, count in self.counts.items() if state in NEEDS_A_PERSON
        )
        where = f"raw.sync_operations says why, by run_id {self.run_id}"
        return [
            *filter(None, [self.problem]),
            *self.warnings,
            *([f"{listed}: {where}"] if listed else []),
        ]

    @property
    def needs_a_person(self) -> bool:
        """Whether somebody should look: refused or doubtful rows, a problem, a guard."""
        return (
            self.problem is not None
            or bool(self.warnings)
            or any(self.counts.get(state) for state in NEEDS_A_PERSON)
        )


def sync(
    home: Home,
    destination: str,
    env: Mapping[str, str],
    clock: Callable[[], datetime],
    *,
    options: SyncOptions | None = None,
    stop: threading.Event | None = None,
    ledger: Ledger | None = None,
    transport: Transport | None = None,
) -> SyncReport:
    """Deliver what is planned for `destination` and answer what it came to.

    `clock` is the run's "now" (caps, expiry, every instant that is written down). Setting `stop`
    ends the run in order: what is under way is finished, nothing else is begun. NotConfigured where
    settings are missing; a destination that is down is not an error but the report's `problem`.
    """
    target = destinations.find(destination).from_env(env)
    try:
        if ledger is not None:
            return _sync(home, target, env, clock, options, stop, ledger, transport)
        home.ensure()
        with Ledger.open(home.ledger_url) as opened:
            return _sync(home, target, env, clock, options, stop, opened, transport)
    except Exception as error:
        shown = harmless(error, target.secrets())
    # out here, or the other error would be shown as what led to this one
    raise shown


def _sync(
    home: Home,
    target: Destination,
    env: Mapping[str, str],
    clock: Callable[[], datetime],
    options: SyncOptions | None,
    stop: threading.Event | None,
    ledger: Ledger,
    transport: Transport | None,
) -> SyncReport:
    options = options or SyncOptions()
    stop = stop or threading.Event()
    started_at = clock()
    guard, planned_count, held, policy = _preflight(home, target.name, env, options)
    recover(home, ledger)
    run_id = f"{target.name}-{uuid.uuid4().hex}"
    dispatcher = Dispatcher(
        target,
        ledger,
        guard,
        run_id=run_id,
        clock=clock,
        stop=stop,
        tuning=options.tuning,
        policy=policy,
        transport=transport,
    )
    names = [one.object_key for one in held]
    with (
        ledger.owner(run_id),
        planned(home, target.name, without=names, limit=options.max_rows) as operations,
    ):
        ledger.start_run(run_id, target.name, run_id, started_at)
        outcome, status, problem = Outcome(), "failed", None
        try:
            outcome = dispatcher.run(operations)
            problem = outcome.problem
            if problem is None and not stop.is_set():
                problem = _left_over(target.name, outcome)
            status = _status(problem, stop)
        finally:
            finished_at = clock()
            ledger.finish_run(
                run_id,
                status=status,
                at=finished_at,
                counts=outcome.counts,
                request_count=outcome.request_count,
            )
    return SyncReport(
        run_id=run_id,
        destination=target.name,
        status=status,
        counts={state.value: count for state, count in sorted(outcome.counts.items()) if count},
        planned_count=planned_count,
        request_count=outcome.request_count,
        done_before=outcome.standings[Standing.DONE],
        held_elsewhere=outcome.standings[Standing.HELD],
        not_attempted=planned_count - outcome.seen + outcome.standings[Standing.SETTLING],
        problem=problem,
        warnings=(*(one.sentence(target.name) for one in held), *sorted(outcome.warnings)),
        started_at=started_at,
        finished_at=finished_at,
    )


def _left_over(destination: str, outcome: Outcome) -> str | None:
    """Say what a destination failed to take though it was asked as often as is sensible."""
    count = outcome.counts.get(State.RETRYABLE, 0)
    if not count:
        return None
    operations = "1 operation" if count == 1 else f"{count:,} operations"
    return f"{destination} failed to take {operations}: the next run sends what is left again"


def _status(problem: str | None, stop: threading.Event) -> str:
    if problem is not None:
        return "incomplete"
    return "stopped" if stop.is_set() else "done"


def _preflight(
    home: Home, destination: str, env: Mapping[str, str], options: SyncOptions
) -> tuple[Guard, int, list[HeldBack], InDoubt]:
    """Read caps, the size of the plan, what the guard holds back, and the policy for doubts."""
    removal_pct = max_removal_pct(env)
    require_plan(home)
    with reading_plan(home) as connection:
        [(count,)] = connection.execute(
            "select count(*) from kairos.sync_plan where destination = $destination",
            {"destination": destination},
        ).fetchall()
        caps = _caps(connection)
        policies = connection.execute(
            "select unknown_policy from kairos.destinations where destination = $destination",
            {"destination": destination},
        ).fetchall()
        held = [] if options.allow_mass_removal else held_back(connection, destination, removal_pct)
    policy = InDoubt(policies[0][0]) if policies else InDoubt.SKIP
    return Guard(caps, project_time_zone()), count, held, policy


def _caps(connection: duckdb.DuckDBPyConnection) -> list[Cap]:
    cursor = connection.execute("select * from kairos.caps_in_force order by cap_name")
    names = [column[0] for column in cursor.description or ()]
    return read_caps(dict(zip(names, row, strict=True)) for row in cursor.fetchall())


def project_time_zone(project: Path = PROJECT) -> str:
    """Read the variable `project_time_zone` of the dbt project."""
    settings = yaml.safe_load((project / "dbt_project.yml").read_text())
    return str(settings.get("vars", {}).get("project_time_zone", "UTC"))

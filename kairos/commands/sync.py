"""`kairos sync`: deliver what is planned."""

import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import click

from kairos.invocation import NEEDS_A_PERSON, Invocation, pass_invocation
from kairos.options import as_of_option, json_option
from kairos.output import emit_json, note, plural, progress
from reverse_etl import destinations, plan
from reverse_etl.errors import NotConfigured
from reverse_etl.ledger.retention import retention
from reverse_etl.ledger.store import Ledger
from reverse_etl.replica import replicate
from reverse_etl.resync import resync
from reverse_etl.sync import UNTRIED, SyncOptions, SyncReport, sync
from warehouse.connection import lock_timeout, writer
from warehouse.errors import KairosError


@click.command()
@click.argument("names", nargs=-1, metavar="[DESTINATION]...")
@click.option("--dry-run", is_flag=True, help="Show counts and masked samples; send nothing.")
@as_of_option
@click.option("--max-rows", type=click.IntRange(min=0), metavar="N",
              help="Send at most so many operations to each destination.")  # fmt: skip
@click.option("--allow-mass-removal", is_flag=True,
              help="Let a large part of an audience, or all of it, leave at once.")  # fmt: skip
@click.option("--full-resync", is_flag=True,
              help="Say everything again but messages: who is in, who left, profiles.")  # fmt: skip
@json_option
@pass_invocation
def command(
    invocation: Invocation,
    names: Sequence[str],
    dry_run: bool,
    as_of: datetime | None,
    max_rows: int | None,
    allow_mass_removal: bool,
    full_resync: bool,
    as_json: bool,
) -> None:
    """Deliver what is planned: to the destinations named, or to all that are configured.

    After --full-resync, for a platform that lost or changed what it held, the plan is made anew and
    delivered; with --max-rows 0 nothing is sent yet, and `kairos plan` shows it.

    Destinations do not wait for each other. Ctrl-C (or SIGTERM) ends the run in order: what is
    under way is finished and written down, the rest is sent by the next run.

    \b
    Exit status: 0 all is delivered, but what --max-rows or Ctrl-C left; 1 nothing could be done;
    3 something needs a person: rows refused or in doubt, a destination that is down or refuses us,
    removals held back.
    """
    if full_resync and (dry_run or not names):
        raise click.UsageError(
            "--full-resync needs the names of destinations, and changes their plan: "
            "to see it before anything is sent, give --max-rows 0 and then run `kairos plan`"
        )
    if dry_run:
        for name in names:
            destinations.find(name)
        _dry_run(invocation, names or destinations.names(), as_of, as_json)
        return
    chosen = _chosen(names, invocation.env)
    options = SyncOptions(max_rows=max_rows, allow_mass_removal=allow_mass_removal)
    if full_resync:
        _resync(invocation, chosen, as_of)
    reports, errors = _deliver(invocation, chosen, as_of, options)
    if as_json:
        emit_json(
            {
                "reports": [asdict(report) for report in reports],
                "errors": {name: str(error) for name, error in errors.items()},
            }
        )
    else:
        for report in reports:
            _tell(report)
        for name, error in errors.items():
            note(f"{name}: {error}")
    if errors and not reports:
        raise click.exceptions.Exit(1)
    if errors or any(report.needs_a_person for report in reports):
        raise click.exceptions.Exit(NEEDS_A_PERSON)


def _chosen(names: Sequence[str], env: Mapping[str, str]) -> list[str]:
    """The destinations to deliver to; those named must be configured, others are left out."""
    if names:
        for name in names:
            destinations.find(name).from_env(env)
        return list(dict.fromkeys(names))
    chosen = []
    for name in destinations.names():
        try:
            destinations.find(name).from_env(env)
            chosen.append(name)
        except NotConfigured as error:
            note(f"skipped: {error}")
    return chosen


def _resync(invocation: Invocation, chosen: Sequence[str], as_of: datetime | None) -> None:
    home = invocation.home.ensure()
    with (
        writer(home, lock_timeout(invocation.env)),
        Ledger.open(home.ledger_url) as ledger,
        progress("planning") as report,
    ):
        resync(home, ledger, chosen, as_of or datetime.now(UTC), report)


def _dry_run(
    invocation: Invocation, chosen: Sequence[str], as_of: datetime | None, as_json: bool
) -> None:
    at = as_of or datetime.now(UTC)
    document: dict[str, Any] = {}
    for name in chosen:
        groups = plan.summary(invocation.home, name, at)
        samples = plan.sample(invocation.home, name)
        document[name] = {"planned": [asdict(group) for group in groups], "samples": samples}
        if as_json:
            continue
        total = sum(group.operation_count for group in groups)
        click.echo(f"{name}: would send {plural(total, 'operation')}")
        for group in groups:
            count = f"{group.operation_count:,}"
            click.echo(f"  {group.operation} {group.kind} {group.object_key}: {count}")
        for row in samples:
            click.echo(f"    {row['operation']} {row['kind']} {row['user_key']}: {row['payload']}")
    if as_json:
        emit_json(document)


def _deliver(
    invocation: Invocation, chosen: Sequence[str], as_of: datetime | None, options: SyncOptions
) -> tuple[list[SyncReport], dict[str, KairosError]]:
    """Deliver to all at once, then copy the ledger; one that fails does not stop another."""

    def clock() -> datetime:
        return as_of or datetime.now(UTC)

    keep = retention(invocation.env)
    invocation.home.ensure()
    reports: list[SyncReport] = []
    errors: dict[str, KairosError] = {}
    with (
        _stop_in_order() as stop,
        Ledger.open(invocation.home.ledger_url) as ledger,
    ):
        with ThreadPoolExecutor(max(1, len(chosen)), "kairos-sync") as pool:
            futures = {
                name: pool.submit(
                    sync,
                    invocation.home,
                    name,
                    invocation.env,
                    clock,
                    options=options,
                    stop=stop,
                    ledger=ledger,
                )
                for name in chosen
            }
            for name, future in futures.items():
                try:
                    reports.append(future.result())
                except KairosError as error:
                    errors[name] = error
        if reports:
            replicate(invocation.home, ledger, clock(), keep)
    return reports, errors


@contextmanager
def _stop_in_order() -> Iterator[threading.Event]:
    """Set the event at the first Ctrl-C or SIGTERM; a second one ends the process at once."""
    stop = threading.Event()

    def ask(number: int, _: object) -> None:
        if stop.is_set():
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        note("stopping: what is under way is finished first")
        stop.set()

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _tell(report: SyncReport) -> None:
    counts = ", ".join(
        f"{count:,} {state}" for state, count in report.counts.items() if state not in UNTRIED
    )
    left_count = report.not_attempted + sum(report.counts.get(state, 0) for state in UNTRIED)
    others = [
        f"{count:,} {words}"
        for count, words in (
            (report.done_before, "done before"),
            (report.held_elsewhere, "in another run's hands"),
            (left_count, "left for a later run"),
        )
        if count
    ]
    parts = "; ".join(part for part in (counts, ", ".join(others)) if part) or "nothing to send"
    requests = plural(report.request_count, "request")
    click.echo(f"{report.destination}: {parts} ({requests}, {report.status})")
    for sentence in report.sentences:
        note(sentence)

"""`kairos demo`: two weeks of events of 2,000 people, from nothing to delivered messages."""

import shutil
import sys
from dataclasses import asdict
from time import monotonic

import click
from rich.console import Console

from kairos.commands.run import Teller
from kairos.demo import run as demo
from kairos.demo.events import DAYS, PEOPLE, SEED, Settings
from kairos.demo.report import WIDTH, Report, show
from kairos.invocation import NEEDS_A_PERSON, Invocation, pass_invocation
from kairos.options import json_option
from kairos.output import emit_json, note, plural, progress
from warehouse.errors import KairosError
from warehouse.home import PROJECT, Home


@click.command()
@click.option("--people", default=PEOPLE, show_default=True, help="How many people go through.")
@click.option("--seed", default=SEED, show_default=True, help="Another seed, other people.")
@click.option("--fresh", is_flag=True, help="Forget what an earlier demo left, and start over.")
@json_option
@pass_invocation
def command(invocation: Invocation, people: int, seed: int, fresh: bool, as_json: bool) -> None:
    """Run the whole line on two weeks of made-up events, and reconcile every row of it.

    Makes the events once, takes them in, runs the line through Dagster, delivers to a sandbox on
    loopback, and ends with one table. A second call sends nothing twice. It has a home of its own,
    .kairos/demo, and never reads the settings of real destinations.

    Exit status 1 when a row is unaccounted for, or when ledger and sandbox disagree.
    """
    begin = monotonic()
    home = demo.demo_home(invocation.home)
    if fresh:
        shutil.rmtree(home.root, ignore_errors=True)
    home.ensure()
    env = demo.without_destinations(invocation.env)

    note(f"two weeks of events of {people:,} people, in {home.root}")
    manifest = demo.events_of(home, Settings(people, DAYS, seed))
    note(f"{'events':<20} {plural(manifest['lines'], 'line')} ({monotonic() - begin:.1f} s)")
    started = monotonic()
    with progress("taking in") as report:
        rows = demo.take_in(home, manifest, env, report)
    note(f"{'taken in':<20} {plural(rows, 'new row')} ({monotonic() - started:.1f} s)")
    report = demo.run(home, manifest, env, Teller(), note)

    if as_json:
        emit_json({**asdict(report), "is_reconciled": report.is_reconciled})
    else:
        _show(report, home)
    for problem in report.problems:
        note(f"needs a person: {problem}")
    if not report.is_reconciled:
        raise KairosError("the demo does not reconcile: the table marks where, in its last column")
    if report.problems:
        raise click.exceptions.Exit(NEEDS_A_PERSON)


def _show(report: Report, home: Home) -> None:
    is_terminal = sys.stdout.isatty()
    console = Console(width=None if is_terminal else WIDTH)
    show(report, console, demo.places(home, PROJECT))

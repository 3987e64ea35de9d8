"""`kairos replay`: what would have been decided, under other settings or the same."""

from datetime import datetime
from pathlib import Path

import click

from kairos.invocation import Invocation, pass_invocation
from kairos.options import Instant, json_option
from kairos.output import emit_json, plural, progress
from warehouse.errors import KairosError
from warehouse.replay import Replay, replay

CHART_WIDTH = 30


@click.command()
@click.option("--from", "start", type=Instant(), required=True, metavar="T", help="First instant.")
@click.option("--to", "end", type=Instant(), required=True, metavar="T", help="Before this one.")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME=FILE",
    help="Use FILE in place of seeds/NAME.csv; may be given several times.",
)
@json_option
@pass_invocation
def command(
    invocation: Invocation,
    start: datetime,
    end: datetime,
    settings: tuple[str, ...],
    as_json: bool,
) -> None:
    """Decide a stretch of history again, and compare; nothing is sent and nothing is changed."""
    files = dict(_setting(text) for text in settings)
    with progress("replaying") as report:
        done = replay(invocation.home, start, end, files, on_step=report)
    if as_json:
        emit_json(_document(done))
    else:
        _tell(done)


def _setting(text: str) -> tuple[str, Path]:
    name, separator, file = text.partition("=")
    path = Path(file)
    if not separator or not path.is_file():
        raise KairosError(f"--set {text}: write NAME=FILE, with a CSV file that exists")
    return name.removesuffix(".csv"), path


def _document(done: Replay) -> dict[str, object]:
    return {
        "steps": done.steps,
        "differing_decisions": done.differing_decisions,
        "people_affected": done.people_affected,
        "busiest_hour": done.busiest_hour,
        "decisions": [
            {
                "trigger_name": key[0],
                "outcome": key[1],
                "reason": key[2],
                "recorded": done.recorded[key],
                "replayed": done.replayed[key],
            }
            for key in sorted(done.recorded | done.replayed)
        ],
    }


def _tell(done: Replay) -> None:
    keys = sorted(done.recorded | done.replayed)
    widest = max([*done.recorded.values(), *done.replayed.values(), 1])
    for trigger, outcome, reason in keys:
        before, after = (c[trigger, outcome, reason] for c in (done.recorded, done.replayed))
        bar = "#" * round(CHART_WIDTH * after / widest)
        label = f"{trigger} {outcome} ({reason})"
        click.echo(f"{label:55} {before:>8,} -> {after:>8,} {after - before:>+8,} {bar}")
    click.echo(
        f"{plural(done.steps, 'step')}; {plural(done.differing_decisions, 'decision')} "
        f"would differ, of {plural(done.people_affected, 'person')}"
    )
    if done.busiest_hour:
        hour, count = done.busiest_hour
        click.echo(f"busiest hour: {hour:%Y-%m-%d %H:00} UTC, {plural(count, 'message')}")

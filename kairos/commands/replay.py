"""`kairos replay`: what would have been decided, under other settings or the same."""

from datetime import datetime, timedelta
from pathlib import Path

import click

from kairos.invocation import Invocation, pass_invocation
from kairos.options import Duration, Instant, json_option
from kairos.output import emit_json, note, plural, progress
from kairos.replay_page import page
from warehouse.errors import KairosError
from warehouse.replay import Decisions, Replay, replay

CHART_WIDTH = 30


@click.command()
@click.option("--from", "start", type=Instant(), required=True, metavar="T", help="First instant.")
@click.option("--to", "end", type=Instant(), required=True, metavar="T", help="Before this one.")
@click.option(
    "--every",
    type=Duration(),
    metavar="TIME",
    help="Decide in steps of a schedule (15m, 1h, 1d), and take each moment as if it had been "
    "known when it happened. For long stretches, and for history that was loaded in one go. "
    "Without it, each recorded run is decided again from what was loaded by then.",
)
@click.option(
    "--set",
    "trials",
    multiple=True,
    metavar="NAME=FILE",
    help="Use FILE in place of seeds/NAME.csv; may be given several times.",
)
@click.option(
    "--html",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    metavar="FILE",
    help="Write the comparison as a page, too.",
)
@json_option
@pass_invocation
def command(
    invocation: Invocation,
    start: datetime,
    end: datetime,
    every: timedelta | None,
    trials: tuple[str, ...],
    html: Path | None,
    as_json: bool,
) -> None:
    """Decide a stretch of history again, and compare; nothing is sent and nothing is changed.

    Compared is what was recorded; with --every and --set together, what the schedule decides under
    the settings as they are with what it decides under yours.
    """
    files = dict(_trial(text) for text in trials)
    if html and not html.parent.is_dir():
        raise KairosError(f"--html {html}: there is no folder {html.parent}")
    with progress("replaying") as report:
        done = replay(invocation.home, start, end, files, every, on_step=report)
    if html:
        html.write_text(page(done, start, end, sorted(files)), encoding="utf-8")
        note(f"written to {html}")
    if as_json:
        emit_json(_document(done))
    else:
        _tell(done)


def _trial(text: str) -> tuple[str, Path]:
    name, separator, file = text.partition("=")
    path = Path(file)
    if not separator or not path.is_file():
        raise KairosError(f"--set {text}: write NAME=FILE, with a CSV file that exists")
    return name.removesuffix(".csv"), path


def _document(done: Replay) -> dict[str, object]:
    return {
        "steps": done.steps,
        "compared_with": "recorded" if done.is_recorded else "settings as they are",
        "differing_decisions": done.differing_decisions,
        "people_affected": done.people_affected,
        "people_gained": done.people_gained,
        "people_lost": done.people_lost,
        "before": _version(done.before),
        "after": _version(done.after),
        "decisions": [
            {
                "trigger_name": key[0],
                "outcome": key[1],
                "reason": key[2],
                "before": done.before.by_reason[key],
                "after": done.after.by_reason[key],
            }
            for key in sorted(done.before.by_reason | done.after.by_reason)
        ],
    }


def _version(decisions: Decisions) -> dict[str, object]:
    return {
        "sends": decisions.sends,
        "busiest_hours": [
            {"hour": hour, "sends": count} for hour, count in decisions.busiest_hours
        ],
        "people_by_sends": dict(sorted(decisions.people_by_sends.items())),
    }


def _tell(done: Replay) -> None:
    before, after = done.before.by_reason, done.after.by_reason
    widest = max([*before.values(), *after.values(), 1])
    basis = "recorded" if done.is_recorded else "as set now"
    click.echo(f"{'':55} {basis:>10} -> {'replayed':>8}")
    for key in sorted(before | after):
        trigger, outcome, reason = key
        bar = "#" * round(CHART_WIDTH * after[key] / widest)
        label = f"{trigger} {outcome} ({reason})"
        change = after[key] - before[key]
        click.echo(f"{label:55} {before[key]:>10,} -> {after[key]:>8,} {change:>+8,} {bar}")
    click.echo(
        f"\n{plural(done.steps, 'step')}; {plural(done.differing_decisions, 'decision')} "
        f"would differ, of {_people(done.people_affected)}. {_people(done.people_gained)} would "
        f"get a message who got none, {_people(done.people_lost)} none who got one."
    )
    for name, decisions in ((basis, done.before), ("replayed", done.after)):
        hours = ", ".join(
            f"{hour:%Y-%m-%d %H:00} ({count:,})" for hour, count in decisions.busiest_hours
        )
        shares = ", ".join(
            f"{_people(people)} {sends}"
            for sends, people in sorted(decisions.people_by_sends.items())
        )
        click.echo(
            f"{name}: {plural(decisions.sends, 'message')}" + (f"; {shares}" if shares else "")
        )
        if hours:
            click.echo(f"{'':{len(name)}}  busiest hours, UTC: {hours}")


def _people(count: int) -> str:
    return "1 person" if count == 1 else f"{count:,} people"

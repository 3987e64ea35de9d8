"""`kairos run`: the whole line once, through Dagster, in this process."""

from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from time import monotonic
from typing import TYPE_CHECKING, Any

import click

from kairos.invocation import NEEDS_A_PERSON, Invocation, pass_invocation
from kairos.options import as_of_option, json_option
from kairos.output import Progress, emit_json, note, plural, progress

if TYPE_CHECKING:
    from orchestration.run import Step, Summary

WIDTH = 20


@click.command()
@as_of_option
@json_option
@pass_invocation
def command(invocation: Invocation, as_of: datetime | None, as_json: bool) -> None:
    """Run the whole line once: landing folder, models, deliveries, outcomes.

    Takes new files of the landing folder, builds and tests every model, delivers what is planned to
    every configured destination, and counts what came of it. With nothing new it sends nothing.
    `make dev` shows the run afterwards.

    Exit status 3: all steps ran, but a file was refused, or a destination refused rows or was down.
    """
    note("loading the line")
    from orchestration.run import LineStopped, run_line

    teller = Teller()
    try:
        summary = run_line(invocation.home, as_of, invocation.env, teller)
    except LineStopped as stopped:
        if as_json:
            emit_json({**_document(stopped.summary), "error": str(stopped)})
        raise
    if as_json:
        emit_json(_document(summary))
    else:
        _tell(summary)
    if summary.problems:
        raise click.exceptions.Exit(NEEDS_A_PERSON)


@dataclass
class Teller:
    """Shows each step while it works, and a line about it when it is done."""

    begin: float = 0.0
    bar: ExitStack = field(default_factory=ExitStack)
    report: Progress | None = None

    def started(self, step: str) -> None:
        """Show that a step works."""
        self.begin = monotonic()
        self.report = self.bar.enter_context(progress(step))

    def progressed(self, done: float, total: float, text: str) -> None:
        """Show how far it is."""
        if self.report is not None:
            self.report(done, total, text)

    def finished(self, step: str, outcome: Any) -> None:
        """Say what came of it."""
        self._close()
        note(f"{step:<{WIDTH}} {describe(outcome)} ({monotonic() - self.begin:.1f} s)")

    def failed(self, step: str, error: Exception) -> None:
        """Say that it failed; the reason comes last, on its own."""
        self._close()
        note(f"{step:<{WIDTH}} failed ({monotonic() - self.begin:.1f} s)")

    def _close(self) -> None:
        self.report = None
        self.bar.close()


def describe(outcome: Any) -> str:
    """Say in a few words what came of a step."""
    from orchestration.ingest import Landing
    from reverse_etl.errors import NotConfigured
    from reverse_etl.sync import SyncReport
    from warehouse.transform import Transformation

    match outcome:
        case Landing():
            return _describe_landing(outcome)
        case Transformation():
            built = outcome.count("model", "success") + outcome.count("seed", "success")
            passed, warned = outcome.count("test", "pass"), outcome.count("test", "warn")
            tests = f"{plural(passed, 'test')} passed{f', {warned} warned' if warned else ''}"
            return f"{plural(built, 'relation')} built, {tests}"
        case SyncReport():
            return _describe_sync(outcome)
        case NotConfigured():
            return f"skipped: {outcome}"
        case int():
            return f"{plural(outcome, 'change')} of the ledger copied"
    return f"failed: {outcome}"


def _describe_landing(landing: Any) -> str:
    done = landing.ingestion
    parts = [f"{plural(len(done.taken), 'file')} taken, {plural(done.row_count, 'row')}"]
    if done.unreadable_count:
        parts.append(f"{plural(done.unreadable_count, 'unreadable line')} set aside")
    if done.known:
        parts.append(f"{plural(len(done.known), 'file')} known from before")
    if done.refused:
        parts.append(f"{plural(len(done.refused), 'file')} refused")
    if landing.growing:
        parts.append(f"{plural(len(landing.growing), 'file')} still being written")
    return ", ".join(parts)


def _describe_sync(report: Any) -> str:
    if not report.planned_count:
        return "nothing to send"
    counts = ", ".join(f"{count:,} {state}" for state, count in report.counts.items())
    parts = [f"{report.planned_count:,} planned", counts or "nothing sent"]
    if report.not_attempted:
        parts.append(f"{report.not_attempted:,} left for the next run")
    return f"{': '.join(parts[:2])}{''.join(f', {part}' for part in parts[2:])}"


def _document(summary: "Summary") -> dict[str, Any]:
    return {
        "run_id": summary.run_id,
        "as_of": summary.as_of,
        "elapsed_seconds": round(summary.elapsed_seconds, 3),
        "steps": [_step_document(step) for step in summary.steps],
        "problems": summary.problems,
    }


def _step_document(step: "Step") -> dict[str, Any]:
    return {
        "step": step.name,
        "elapsed_seconds": round(step.elapsed_seconds, 3),
        **facts(step.outcome),
    }


def facts(outcome: Any) -> dict[str, Any]:
    """Return the numbers of a step, for programs."""
    from orchestration.ingest import Landing
    from reverse_etl.errors import NotConfigured
    from reverse_etl.sync import SyncReport
    from warehouse.transform import Transformation

    match outcome:
        case Landing():
            done = outcome.ingestion
            return {
                "status": "done",
                "files": len(done.taken),
                "rows": done.row_count,
                "unreadable_lines": done.unreadable_count,
                "files_known_before": len(done.known),
                "files_refused": len(done.refused),
                "files_still_being_written": len(outcome.growing),
            }
        case Transformation():
            return {
                "status": "done",
                "models": outcome.count("model", "success"),
                "seeds": outcome.count("seed", "success"),
                "tests_passed": outcome.count("test", "pass"),
                "tests_warned": outcome.count("test", "warn"),
            }
        case SyncReport():
            return {
                "status": outcome.status,
                "run_id": outcome.run_id,
                "planned": outcome.planned_count,
                "requests": outcome.request_count,
                "not_attempted": outcome.not_attempted,
                "counts": dict(outcome.counts),
            }
        case NotConfigured():
            return {"status": "skipped", "reason": str(outcome)}
        case int():
            return {"status": "done", "changes_copied": outcome}
    return {"status": "failed", "reason": str(outcome)}


def _tell(summary: "Summary") -> None:
    click.echo(
        f"the line ran in {summary.elapsed_seconds:.1f} s (run {summary.run_id[:8]}); "
        "`make dev` shows it"
    )
    for problem in summary.problems:
        note(f"needs a person: {problem}")

"""What a command prints: results on stdout, everything about the work itself on stderr."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from time import monotonic
from typing import Any, Protocol

import click

WORD_EVERY_SECONDS = 10.0


def emit_json(value: Any) -> None:
    """Print one JSON document on stdout; instants are ISO 8601, other objects their text."""
    click.echo(json.dumps(value, indent=2, default=_json_value))


def note(sentence: str) -> None:
    """Tell the person something about the work, on stderr."""
    click.echo(sentence, err=True)


def plural(count: int, noun: str) -> str:
    """Write a count with its noun: `1 file`, `15,010 events`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


class Progress(Protocol):
    """Tells how far some work is; called as often as one likes."""

    def __call__(self, done: float, total: float, text: str) -> None:
        """Report `done` of `total`, in any unit, and what is being worked on."""


@contextmanager
def progress(what: str) -> Iterator[Progress]:
    """Show a bar on a terminal; elsewhere say a word every ten seconds."""
    if sys.stderr.isatty():
        with _bar(what) as report:
            yield report
    else:
        yield _words(what)


@contextmanager
def _bar(what: str) -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[text]}"),
    )
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None, text="")
        yield lambda done, total, text: bar.update(task, completed=done, total=total, text=text)


def _words(what: str) -> Progress:
    last = monotonic()

    def report(done: float, total: float, text: str) -> None:
        nonlocal last
        if monotonic() - last >= WORD_EVERY_SECONDS:
            last = monotonic()
            note(f"{what}: {done / total if total else 0:.0%} {text}".rstrip())

    return report


def _json_value(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)

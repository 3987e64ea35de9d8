"""`kairos ingest`: files into the warehouse, as they were delivered."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import click

from kairos.invocation import NEEDS_A_PERSON, Invocation, pass_invocation
from kairos.options import Instant, json_option
from kairos.output import emit_json, note, plural, progress
from warehouse.connection import lock_timeout, writer
from warehouse.ingest.formats import AUTO, FORMATS
from warehouse.ingest.load import Ingestion, ingest
from warehouse.ingest.loads import Load


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option(
    "--format",
    type=click.Choice([AUTO, *FORMATS]),
    default=AUTO,
    show_default=True,
    help="What the files hold; auto tells by their content.",
)
@click.option(
    "--loaded-at",
    type=Instant(),
    metavar="T",
    help="When they arrived, for history (ISO 8601, UTC without an offset). Default: now.",
)
@json_option
@pass_invocation
def command(
    invocation: Invocation,
    paths: Sequence[str],
    format: str,
    loaded_at: datetime | None,
    as_json: bool,
) -> None:
    """Take files of events or users into the warehouse, each content once.

    PATH is a file, a folder or a glob; plain, gzip or zip; lines of JSON, and for events of our own
    and users also CSV and Parquet. A file is taken whole or not at all.

    \b
    Exit status: 0 all is taken, or was before; 1 nothing could be taken;
    3 some files were refused, the others are taken.
    """
    start = time.perf_counter()
    with (
        writer(invocation.home, lock_timeout(invocation.env)),
        progress("taking in") as report,
    ):
        done = ingest(invocation.home, paths, loaded_at or datetime.now(UTC), format, report)
    if as_json:
        emit_json(_document(done))
    else:
        _tell(done, time.perf_counter() - start)
    for refusal in done.refused:
        note(f"kairos: {refusal}")
    if done.refused:
        raise click.exceptions.Exit(NEEDS_A_PERSON if done.taken or done.known else 1)


def _tell(done: Ingestion, elapsed_seconds: float) -> None:
    for load in done.taken:
        click.echo(f"{load.source_file}: {plural(load.row_count, 'row')} ({load.format})")
        if load.unreadable_count:
            lines = plural(load.unreadable_count, "line")
            note(f"  {lines} set aside in raw.unreadable_lines, with file, line and reason")
        if load.ignored:
            note(f"  left out, having no place in this format: {', '.join(load.ignored)}")
    for load in done.known:
        click.echo(f"{load.source_file}: taken before ({plural(load.row_count, 'row')})")
    if done.skipped:
        note(f"{plural(len(done.skipped), 'file')} skipped, no events by their suffix")
    click.echo(
        f"{plural(len(done.taken), 'file')} taken, {len(done.known)} known, "
        f"{len(done.refused)} refused: {plural(done.row_count, 'row')} "
        f"in {elapsed_seconds:.1f} s"
    )


def _document(done: Ingestion) -> dict[str, Any]:
    return {
        "taken": [_load(load) for load in done.taken],
        "known": [_load(load) for load in done.known],
        "refused": [{"path": each.path, "reason": each.reason} for each in done.refused],
        "skipped": [str(path) for path in done.skipped],
        "row_count": done.row_count,
        "unreadable_count": done.unreadable_count,
    }


def _load(load: Load) -> dict[str, Any]:
    return {
        "source_file": load.source_file,
        "format": load.format,
        "content_sha256": load.content_sha256,
        "byte_count": load.byte_count,
        "row_count": load.row_count,
        "unreadable_count": load.unreadable_count,
        "ignored": list(load.ignored),
    }

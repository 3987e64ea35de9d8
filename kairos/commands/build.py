"""`kairos build`: the warehouse, from what has landed to what is planned."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import click

from kairos.invocation import Invocation, pass_invocation
from kairos.options import as_of_option, json_option
from kairos.output import emit_json, note, plural, progress
from reverse_etl.ledger.retention import retention
from reverse_etl.ledger.store import Ledger
from reverse_etl.replica import replicate
from warehouse.connection import lock_timeout, writer
from warehouse.transform import Node, Transformation, TransformationFailed, build

MESSAGE_LENGTH = 300


@click.command()
@as_of_option
@click.option("--full-refresh", is_flag=True, help="Build incremental models from all history.")
@click.option(
    "--select",
    multiple=True,
    metavar="MODELS",
    help="Only these, in dbt's selection syntax; may be given several times.",
)
@json_option
@pass_invocation
def command(
    invocation: Invocation,
    as_of: datetime | None,
    full_refresh: bool,
    select: Sequence[str],
    as_json: bool,
) -> None:
    """Build and test every model on what is in the warehouse and what the ledger knows.

    The ledger is copied first: fatigue counts what was sent, and the plan leaves it out. An empty
    warehouse builds too: every table is there, without rows.
    """
    try:
        with (
            writer(invocation.home, lock_timeout(invocation.env)),
            progress("building") as report,
        ):
            _copy_ledger(invocation, as_of)
            done = build(invocation.home, as_of, full_refresh, select, on_node=report)
    except TransformationFailed as error:
        if not error.transformation.failed:
            raise
        done = error.transformation
    if as_json:
        emit_json(_document(done))
    else:
        _tell(done)
    if done.failed:
        raise click.exceptions.Exit(1)


def _copy_ledger(invocation: Invocation, as_of: datetime | None) -> None:
    """Bring what was delivered since the last build into the warehouse."""
    home = invocation.home.ensure()
    keep = retention(invocation.env)
    with Ledger.open(home.ledger_url) as ledger:
        replicate(home, ledger, as_of or datetime.now(UTC), keep)


def _document(done: Transformation) -> dict[str, Any]:
    return {
        "elapsed_seconds": round(done.elapsed_seconds, 3),
        "counts": {
            kind: {
                status: done.count(kind, status)
                for status in sorted({node.status for node in done.nodes if node.kind == kind})
            }
            for kind in sorted({node.kind for node in done.nodes})
        },
        **{
            name: [
                {"kind": node.kind, "name": node.name, "path": node.path, "message": node.message}
                for node in nodes
            ]
            for name, nodes in (("failed", done.failed), ("warned", done.warned))
        },
    }


def _tell(done: Transformation) -> None:
    built = sum(done.count(kind, "success") for kind in ("model", "seed", "snapshot"))
    passed = sum(done.count(kind, "pass", "success") for kind in ("test", "unit_test"))
    click.echo(
        f"{plural(built, 'relation')} built, {plural(passed, 'test')} passed, "
        f"{done.count(None, 'warn')} warned, {len(done.failed)} failed, "
        f"{done.count(None, 'skipped')} skipped, in {done.elapsed_seconds:.1f} s"
    )
    for node in (*done.warned, *done.failed):
        note(_complaint(node))


def _complaint(node: Node) -> str:
    if node.kind in ("test", "unit_test") and node.failure_count:
        rows = plural(node.failure_count, "row")
        return f"  test {node.name} ({node.path}): {rows} break it; query: {node.compiled_path}"
    return f"  {node.kind} {node.name} ({node.path}): {node.message[:MESSAGE_LENGTH]}"

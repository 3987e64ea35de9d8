"""The demo from nothing to its report: events, the line, deliveries over HTTP, the comparison."""

import json
import os
import shutil
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

from kairos.demo.compare import ledger_and_destination, planted_and_found
from kairos.demo.events import END, MANIFEST, Settings, generate
from kairos.demo.reconcile import reconcile
from kairos.demo.report import Report
from kairos.doctor.rows import Project
from kairos.output import Progress
from reverse_etl.sandbox import Sandbox
from warehouse.connection import connect, lock_timeout, writer
from warehouse.errors import KairosError
from warehouse.home import Home
from warehouse.ingest.load import ingest

if TYPE_CHECKING:
    from orchestration.surroundings import Listener


def demo_home(home: Home) -> Home:
    """Give the demo a home of its own inside another: it never touches what is real."""
    return Home.from_env({"KAIROS_HOME": str(home.root / "demo")})


def events_of(home: Home, settings: Settings) -> dict[str, Any]:
    """Make the demo's events, unless they are there; return their manifest.

    KairosError when the home holds those of other settings: the ledger beside them would not fit.
    """
    folder = home.root / "events"
    if not (folder / MANIFEST).exists():
        # whole or not at all: a demo that was interrupted here begins again
        partial = home.root / "events.partial"
        shutil.rmtree(partial, ignore_errors=True)
        generate(partial, settings)
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(partial, folder)
    manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text())
    if manifest["settings"] != vars(settings):
        raise KairosError(
            f"{home.root} holds a demo of other settings, {manifest['settings']}: "
            "start over with --fresh"
        )
    return manifest


def take_in(
    home: Home, manifest: Mapping[str, Any], env: Mapping[str, str], report: Progress
) -> int:
    """Take the demo's files, each as of the instant at which it arrived; return the new rows."""
    total, rows = len(manifest["files"]), 0
    with writer(home, lock_timeout(env)):
        for done, file in enumerate(manifest["files"]):
            report(done, total, file["name"])
            path = home.root / "events" / file["name"]
            loaded_at = datetime.fromisoformat(file["loaded_at"])
            taken = ingest(home, [str(path)], loaded_at, file["format"])
            if taken.refused:
                raise taken.refused[0]
            rows += taken.row_count
    return rows


def run(
    home: Home,
    manifest: Mapping[str, Any],
    env: Mapping[str, str],
    listener: "Listener",
    note: Callable[[str], None],
) -> Report:
    """Run the line once as of `END`, deliver to a sandbox on loopback, and compare the two.

    Only the sandbox's own settings are given to the destinations: a demo never reaches a real one.
    """
    from orchestration.run import run_line

    begin = monotonic()
    with Sandbox(state_file=home.root / "sandbox.json", audiences=Project().audiences) as sandbox:
        note(f"sandbox on {sandbox.url}")
        already = sandbox.journal.count()
        summary = run_line(home, END, {**env, **sandbox.environment()}, listener)
        with connect(home, read_only=True) as connection:
            return Report(
                words=reconcile(connection),
                planted=planted_and_found(connection, manifest),
                delivered=ledger_and_destination(connection, sandbox),
                sent_count=sum(
                    sum(step.outcome.counts.values())
                    for step in summary.steps
                    if hasattr(step.outcome, "request_count")
                ),
                request_count=sandbox.journal.count() - already,
                problems=summary.problems,
                elapsed_seconds=monotonic() - begin,
            )


def without_destinations(env: Mapping[str, str]) -> dict[str, str]:
    """Leave out every setting of ours, credentials of real destinations above all."""
    return {name: value for name, value in env.items() if not name.startswith("KAIROS_")}


def places(home: Home, project: Path) -> dict[str, str]:
    """Say where to look next."""
    try:
        shown = home.root.relative_to(project)
    except ValueError:
        shown = home.root
    ours = f"KAIROS_HOME={shown}"
    return {
        "this run in Dagster's UI": f"{ours} make dev",
        "the line by hand": f"{ours} .venv/bin/kairos run --as-of {END:%FT%T}",
        "the warehouse": f"{shown / 'warehouse.duckdb'}",
        "  every rejected event": "select * from kairos.events_rejected",
        "  every gate of a decision": "select * from kairos.decision_gates",
        "  every operation sent": "select * from raw.sync_operations",
        "what the destinations hold": f"{shown / 'sandbox.json'}",
        "more people, or other ones": ".venv/bin/kairos demo --fresh --people 5000 --seed 8",
    }

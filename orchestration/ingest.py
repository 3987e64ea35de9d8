"""From the landing folder to the raw tables."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg

from orchestration.dbt import source_keys
from orchestration.landing import new_files, remember, remembered, wait_for
from orchestration.surroundings import POOL, Surroundings, as_of, clock
from warehouse.connection import connect, lock_timeout, writer
from warehouse.ingest.files import find
from warehouse.ingest.load import Ingestion, ingest
from warehouse.landing import ensure_raw

LANDED = ("events", "users", "feedback", "unreadable_lines", "loads")
"""What the names of the raw tables that files land in begin with."""

CHECK = "every_file_taken"
QUIET = timedelta(seconds=1)
PATIENCE = timedelta(seconds=10)


@dataclass(frozen=True)
class Landing:
    """What became of the landing folder's new files."""

    ingestion: Ingestion
    growing: tuple[str, ...]
    """Files that were still being written: the next run looks again."""


def landing_asset(manifest: Mapping[str, Any]) -> dg.AssetsDefinition:
    """Return the step that takes what is new in the landing folder."""
    keys = [key for prefix in LANDED for key in source_keys(manifest, prefix)]
    loads = next(key for key in keys if key.path[-1] == "loads")

    @dg.multi_asset(
        name="landing",
        specs=[dg.AssetSpec(key, group_name="events", kinds={"duckdb"}) for key in keys],
        check_specs=[dg.AssetCheckSpec(CHECK, asset=loads, description="No file was refused.")],
        pool=POOL,
    )
    def landing(
        context: dg.AssetExecutionContext, surroundings: dg.ResourceParam[Surroundings]
    ) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
        with surroundings.step("landing"):
            landed = take(surroundings, clock(as_of(context))())
        surroundings.listener.finished("landing", landed)
        done = landed.ingestion
        metadata = {
            "files": len(done.taken),
            "rows": done.row_count,
            "unreadable_lines": done.unreadable_count,
            "files_known_before": len(done.known),
            "files_still_being_written": len(landed.growing),
        }
        for key in keys:
            yield dg.MaterializeResult(asset_key=key, metadata=metadata)
        yield dg.AssetCheckResult(
            asset_key=loads,
            check_name=CHECK,
            passed=not done.refused,
            severity=dg.AssetCheckSeverity.WARN,
            metadata={"refused": [str(refusal) for refusal in done.refused]},
        )

    return landing


def take(surroundings: Surroundings, loaded_at: datetime) -> Landing:
    """Take every new file; one that is refused stops no other."""
    home = surroundings.home.ensure()
    with writer(home, lock_timeout(surroundings.env)):
        with connect(home) as connection:
            ensure_raw(connection)
            known = remembered(connection)
        files = new_files(find([str(home.landing)]).files, known)
        marks, growing = wait_for(files, QUIET, PATIENCE, lambda: datetime.now(UTC), time.sleep)
        done = ingest(home, list(marks), loaded_at, on_progress=surroundings.listener.progressed)
        refused = {refusal.path for refusal in done.refused}
        with connect(home) as connection:
            remember(
                connection, {path: mark for path, mark in marks.items() if path not in refused}
            )
    return Landing(done, tuple(growing))

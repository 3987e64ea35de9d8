"""Measure who is taken for a machine by how they move and wait, on visitors with labels.

    python -m benchmarks.behaviour 200 2 3 4

plays 200 visitors of every kind of `benchmarks/visitors.py` for each of the seeds 2, 3 and 4.
"""

import csv
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from datetime import UTC, datetime, timedelta
from math import sqrt
from pathlib import Path

import duckdb

from benchmarks.visitors import BOTS, PEOPLE, Visit, rows
from warehouse.compiled import CompiledProject, compile_project, load_seed
from warehouse.home import Home
from warehouse.landing import ensure_raw

START = datetime(2026, 1, 5, tzinfo=UTC)
AS_OF = START + timedelta(days=2)
KINDS = (*PEOPLE, *BOTS)
PER_PASS = 40
"""Visitors of each kind whose events are in memory at once."""


def excluded(
    project: CompiledProject,
    count: int,
    seed: int | str,
    folder: Path,
    kinds: Collection[Callable[[Visit], None]] = KINDS,
) -> dict[str, tuple[int, int]]:
    """Play visitors through the models: how many of each kind there were, and were taken for bots.

    `folder` is a scratch place for the events.
    """
    delivered = folder / "visitors.csv"
    with delivered.open("w", newline="") as file:
        csv.writer(file).writerows(rows(count, seed, kinds))
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'; create schema kairos")
        ensure_raw(connection)
        connection.execute(
            """
            insert into raw.events (
                event_id, anonymous_id, event_name, event_at, page_url, device_type, user_agent,
                properties, source, source_file, source_line, loaded_at
            )
            select
                column0, column1, column2,
                strftime(
                    $start + to_milliseconds(cast(column3 as bigint)), '%Y-%m-%dT%H:%M:%S.%gZ'
                ),
                column4, column5, column6, column7, 'web', 'visitors.csv', 1, $as_of
            from read_csv($path, header = false, all_varchar = true)
            """,
            {
                "start": START.replace(tzinfo=None),
                "as_of": AS_OF.replace(tzinfo=None),
                "path": str(delivered),
            },
        )
        for model in project.between((), ["session_bot_evidence"]):
            if model.kind == "seed":
                load_seed(connection, model, model.seed_path)
            else:
                connection.execute(model.statement(AS_OF))
        played, caught = (
            dict(connection.execute(query).fetchall())
            for query in (
                "select split_part(anonymous_id, ':', 1), count(distinct anonymous_id) "
                "from raw.events group by all",
                "select split_part(actor_id, ':', 1), count(distinct actor_id) "
                "from kairos.session_bot_evidence group by all",
            )
        )
    return {kind: (played[kind], caught.get(kind, 0)) for kind in played}


def wilson(found: int, count: int) -> tuple[float, float]:
    """Return the 95 % interval of a share."""
    z = 1.96
    middle = (found + z * z / 2) / (count + z * z)
    half = z * sqrt(found * (count - found) / count + z * z / 4) / (count + z * z)
    return max(0.0, middle - half), min(1.0, middle + half)


def table(counts: dict[str, tuple[int, int]]) -> Iterable[str]:
    """Return a table in Markdown: of every kind and of both labels."""
    yield "| | visitors | excluded | share | 95 % interval |"
    yield "|---|---|---|---|---|"
    for label, kinds in (("people", PEOPLE), ("bots", BOTS)):
        lines = [(kind.__name__, *counts[kind.__name__]) for kind in kinds]
        lines.append((f"**{label}**", sum(n for _, n, _ in lines), sum(f for _, _, f in lines)))
        for name, count, found in lines:
            low, high = wilson(found, count)
            share = f"{found / count:.4f} | {low:.4f} to {high:.4f}"
            yield f"| {name} | {count:,} | {found:,} | {share} |"


def main(count: int, seeds: Iterable[int]) -> None:
    """Print a table over all seeds."""
    visitors: Counter[str] = Counter()
    caught: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        project = compile_project(Home(root, root / "compiled.duckdb", "", root / "landing"))
        for seed in seeds:
            for number in range(0, count, PER_PASS):
                part = min(PER_PASS, count - number)
                for kind, (n, found) in excluded(project, part, f"{seed}.{number}", root).items():
                    visitors[kind] += n
                    caught[kind] += found
    print("\n".join(table({kind: (visitors[kind], caught[kind]) for kind in visitors})))


if __name__ == "__main__":
    main(int(sys.argv[1]), [int(seed) for seed in sys.argv[2:]])

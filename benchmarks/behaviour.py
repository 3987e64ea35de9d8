"""Measure who is taken for a machine by how they move and wait, on visitors with labels.

    python -m benchmarks.behaviour 200 2 3 4

plays 200 visitors of every kind of `benchmarks/visitors.py` for each of the seeds 2, 3 and 4.
"""

import csv
import sys
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from math import sqrt
from pathlib import Path
from statistics import median

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


def played(
    project: CompiledProject,
    count: int,
    seed: int | str,
    folder: Path,
    kinds: Collection[Callable[[Visit], None]] = KINDS,
) -> dict[str, list[int | None]]:
    """Play visitors through the models: after how many events each was taken for a bot, if ever.

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
        found = connection.execute(
            """
            select
                split_part(events.anonymous_id, ':', 1) as kind,
                case when min(evidence.bot_from_at) is not null
                    then count(distinct events.event_id)
                        filter (where events.event_at < evidence.bot_from_at)
                end as events_before
            from kairos.int_events_checked as events
            left join (
                select actor_id, min(bot_from_at) as bot_from_at
                from kairos.session_bot_evidence
                group by actor_id
            ) as evidence on events.actor_id = evidence.actor_id
            group by kind, events.anonymous_id
            order by kind, events.anonymous_id
            """
        ).fetchall()
    visitors: dict[str, list[int | None]] = {kind.__name__: [] for kind in kinds}
    for kind, events_before in found:
        visitors[kind].append(events_before)
    return visitors


def wilson(found: int, count: int) -> tuple[float, float]:
    """Return the 95 % interval of a share."""
    z = 1.96
    middle = (found + z * z / 2) / (count + z * z)
    half = z * sqrt(found * (count - found) / count + z * z / 4) / (count + z * z)
    return max(0.0, middle - half), min(1.0, middle + half)


def table(visitors: Mapping[str, Sequence[int | None]]) -> Iterator[str]:
    """Yield a table in Markdown: of every kind and of both labels."""
    yield "| | visitors | excluded | share | 95 % interval | events before, median |"
    yield "|---|---|---|---|---|---|"
    for label, kinds in (("people", PEOPLE), ("bots", BOTS)):
        names = [kind.__name__ for kind in kinds]
        lines = {name: visitors[name] for name in names}
        lines[f"**{label}**"] = [each for name in names for each in visitors[name]]
        for name, events_before in lines.items():
            found = [each for each in events_before if each is not None]
            low, high = wilson(len(found), len(events_before))
            share = f"{len(found) / len(events_before):.4f} | {low:.4f} to {high:.4f}"
            middle = f"{median(found):,.0f}" if found else ""
            yield f"| {name} | {len(events_before):,} | {len(found):,} | {share} | {middle} |"


def main(count: int, seeds: Iterable[int]) -> None:
    """Print a table over all seeds."""
    visitors: dict[str, list[int | None]] = {kind.__name__: [] for kind in KINDS}
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        project = compile_project(Home(root, root / "compiled.duckdb", "", root / "landing"))
        for seed in seeds:
            for number in range(0, count, PER_PASS):
                part = min(PER_PASS, count - number)
                for kind, found in played(project, part, f"{seed}.{number}", root).items():
                    visitors[kind] += found
    print("\n".join(table(visitors)))


if __name__ == "__main__":
    main(int(sys.argv[1]), [int(seed) for seed in sys.argv[2:]])

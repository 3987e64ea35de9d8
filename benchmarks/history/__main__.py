"""Events to scores on long histories: built anew against a hand-written script, then run upon run.

`python -m benchmarks history [--events 1M,10M,30M] [--runs 3] [--folder PLACE]`. A history of 30
million events takes some 25 minutes on two cores, and 20 GB of disk for as long.
"""

import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import click

from benchmarks.history.by_hand import found, run_by_hand
from benchmarks.history.by_polars import export, run_polars
from benchmarks.history.child import Measured, measured
from benchmarks.history.generate import END, Batch, add, fill
from benchmarks.history.line import prepare, run_line
from warehouse.home import Home

BATCH_EVENTS = 10_000
UNITS = {"k": 1_000, "M": 1_000_000}


@click.command()
@click.option("--events", default="1M,10M,30M", show_default=True, help="Sizes of the histories.")
@click.option("--runs", default=3, show_default=True, help="Runs with 10,000 new events each.")
@click.option("--folder", type=click.Path(path_type=Path), help="Where the warehouses may be.")
@click.option("--models", is_flag=True, help="Show the SQL seconds of the ten slowest models too.")
def main(events: str, runs: int, folder: Path | None, models: bool) -> None:
    """Measure the first half of the line."""
    for size in events.split(","):
        with TemporaryDirectory(dir=folder) as place:
            for line in report(Path(place), _number(size), runs, models):
                click.echo(line)


def report(place: Path, event_count: int, runs: int, models: bool) -> Iterator[str]:
    """Measure one size, step by step."""
    home = Home.from_env({"KAIROS_HOME": str(place / "line")})
    by_hand = Home.from_env({"KAIROS_HOME": str(place / "by_hand")})
    generated = measured(fill, home, event_count)
    deliveries = generated.answer
    yield f"\n{deliveries:,} deliveries, made in {generated.elapsed_seconds:.0f} s"
    measured(prepare, home)

    line = measured(run_line, home, END, True)
    yield _shown("line, full refresh", line, deliveries)
    yield from _slowest(line) if models else ()
    yield f"    SQL {line.answer.sql_seconds:.1f} s, {_gigabytes(home.warehouse)}"

    ours = found(home, "kairos")

    steps = []
    for number in range(1, runs + 1):
        batch = Batch(number, BATCH_EVENTS)
        new = measured(add, home, batch, event_count).answer
        step = measured(run_line, home, END + timedelta(hours=number), False)
        steps.append(step)
        yield _shown(f"line, {new:,} new", step, new)
        yield from _slowest(step) if models else ()
        yield f"    SQL {step.answer.sql_seconds:.2f} s in {step.answer.statement_count} statements"
    if steps:
        yield f"    SQL, median of {runs}: {median(s.answer.sql_seconds for s in steps):.2f} s"

    script = measured(run_by_hand, home, by_hand, END)
    yield _shown("by hand, DuckDB", script, deliveries)
    theirs = found(by_hand, "main")
    if ours != theirs:
        yield f"    THEY DISAGREE\n    {ours}\n    {theirs}"
    yield (
        f"    {ours.sessions:,} sessions and {sum(ours.signals.values()):,} signals; "
        f"line to script {line.elapsed_seconds / script.elapsed_seconds:.2f} by the clock, "
        f"{line.cpu_seconds / script.cpu_seconds:.2f} by cpu"
    )
    shutil.rmtree(by_hand.root)

    columns = place / "events.parquet"
    measured(export, home, str(columns), END)
    polars = measured(run_polars, str(columns), END)
    yield _shown("by hand, Polars", polars, deliveries)
    yield f"    {polars.answer.sessions:,} sessions, {polars.answer.pauses:,} pauses, no more"
    columns.unlink()


def _shown(name: str, work: Measured, event_count: int) -> str:
    return (
        f"{name:<22}{work.elapsed_seconds:>9.1f} s{work.cpu_seconds:>9.1f} cpu s"
        f"{event_count / work.elapsed_seconds:>12,.0f} events/s"
        f"{work.peak_bytes / 2**20:>9,.0f} MiB"
    )


def _slowest(work: Measured) -> Iterator[str]:
    for name, seconds in work.answer.model_sql_seconds.most_common(10):
        yield f"    {name:<36}{seconds:>8.2f} s"


def _gigabytes(path: Path) -> str:
    return f"{path.stat().st_size / 1e9:.1f} GB on disk"


def _number(text: str) -> int:
    unit = UNITS.get(text[-1:], 1)
    return round(float(text.rstrip("kM")) * unit)


if __name__ == "__main__":
    main()

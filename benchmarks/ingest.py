"""How fast and in how much memory events are taken in, against a plain Python loader.

`python -m benchmarks.ingest [EVENTS]`. Both read the same kind of file, a gzip of lines of JSON,
into the same table, each in a process of its own. The plain loader is what one writes first,
`json.loads` and `executemany`; it gets one event in fifty, because all would take too long.
"""

import gzip
import json
import os
import random
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from warehouse.connection import connect
from warehouse.home import Home
from warehouse.ingest.formats import EVENT_COLUMNS
from warehouse.ingest.load import ingest
from warehouse.landing import ensure_raw

EVENTS = 1_000_000
PLAIN_SHARE = 50
PLAIN_BATCH = 1_000
START = datetime(2026, 1, 1, tzinfo=UTC)

Load = Callable[[Home, Path], None]


@dataclass(frozen=True)
class Measured:
    """One loader on one file."""

    loader: str
    event_count: int
    elapsed_seconds: float
    cpu_seconds: float
    """Of all its threads, the start of Python included: what a busy machine does not distort."""
    peak_bytes: int

    @property
    def events_per_second(self) -> float:
        """What the loader takes in a second, the start of Python left out."""
        return self.event_count / self.elapsed_seconds


def measure(event_count: int = EVENTS) -> list[Measured]:
    """Run both loaders, one after the other, the plain one last."""
    few = max(event_count // PLAIN_SHARE, 1)
    with TemporaryDirectory() as folder:
        place = Path(folder)
        return [
            _measured("kairos ingest", _kairos, place / "kairos", event_count),
            _measured("json.loads + executemany", _plain, place / "plain", few),
        ]


def write_events(path: Path, event_count: int) -> Path:
    """Write a gzip of canonical events, the same for the same number of them."""
    chance = random.Random(event_count)
    with gzip.open(path, "wt", compresslevel=5) as target:
        for number in range(event_count):
            target.write(json.dumps(_event(chance, number)) + "\n")
    return path


def table(measured: Sequence[Measured]) -> str:
    """Lay out the figures, with the speed as a ratio to the last line."""
    base = measured[-1].events_per_second
    heads = ("", "events", "seconds", "cpu s", "events/s", "ratio", "peak MiB")
    rows = [
        (
            each.loader,
            f"{each.event_count:,}",
            f"{each.elapsed_seconds:.2f}",
            f"{each.cpu_seconds:.2f}",
            f"{each.events_per_second:,.0f}",
            f"{each.events_per_second / base:.1f}",
            f"{each.peak_bytes / 2**20:,.0f}",
        )
        for each in measured
    ]
    return "\n".join(
        f"{name:<26}" + "".join(f"{cell:>11}" for cell in cells) for name, *cells in (heads, *rows)
    )


def _event(chance: random.Random, number: int) -> dict[str, Any]:
    return {
        "event_id": f"{chance.getrandbits(128):032x}",
        "user_id": f"u{chance.randrange(20_000)}" if chance.random() < 0.6 else None,
        "anonymous_id": f"{chance.getrandbits(64):016x}",
        "event_name": chance.choice(("page_view", "page_ping", "click", "scroll")),
        "event_at": (START + timedelta(milliseconds=137 * number)).isoformat(),
        "page_url": "https://app.example.com/welcome",
        "device_type": "desktop",
        "user_agent": "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_6) AppleWebKit/605.1.15",
        "properties": {
            "page_view_id": f"{chance.getrandbits(64):x}",
            "scroll_offset_max": chance.randrange(5_000),
            "doc_height": 8_111,
            "viewport_height": 1_335,
        },
    }


def _kairos(home: Home, path: Path) -> None:
    if refused := ingest(home, [str(path)], START).refused:
        raise refused[0]


def _plain(home: Home, path: Path) -> None:
    marks = ", ".join("?" for _ in EVENT_COLUMNS)
    insert = f"insert into raw.events ({', '.join(EVENT_COLUMNS)}) values ({marks})"
    with connect(home) as connection, gzip.open(path, "rt") as lines:
        ensure_raw(connection)
        connection.execute("begin")
        batch = []
        for line in lines:
            event = json.loads(line)
            event["properties"] = json.dumps(event["properties"])
            batch.append([event.get(column) for column in EVENT_COLUMNS])
            if len(batch) == PLAIN_BATCH:
                connection.executemany(insert, batch)
                batch = []
        if batch:
            connection.executemany(insert, batch)
        connection.execute("commit")


def _measured(name: str, load: Load, folder: Path, event_count: int) -> Measured:
    """Load a file in a process of its own, so that its peak of memory is its own too."""
    folder.mkdir()
    path = write_events(folder / "events.jsonl.gz", event_count)
    context = get_context("spawn")
    answer, question = context.Pipe(duplex=False)
    process = context.Process(target=_timed, args=(load, folder, path, question))
    process.start()
    question.close()
    elapsed_seconds, landed = answer.recv()
    _, status, usage = os.wait4(process.pid or 0, 0)
    if status or landed != event_count:
        raise SystemExit(f"{name} landed {landed:,} of {event_count:,} events")
    cpu_seconds = usage.ru_utime + usage.ru_stime
    return Measured(name, event_count, elapsed_seconds, cpu_seconds, usage.ru_maxrss * 1024)


def _timed(load: Load, folder: Path, path: Path, answer: Connection) -> None:
    home = Home.from_env({"KAIROS_HOME": str(folder / "home")})
    start = time.perf_counter()
    load(home, path)
    elapsed_seconds = time.perf_counter() - start
    with connect(home) as connection:
        [(landed,)] = connection.execute("select count(*) from raw.events").fetchall()
    answer.send((elapsed_seconds, landed))


if __name__ == "__main__":
    print(table(measure(int(sys.argv[1]) if len(sys.argv) > 1 else EVENTS)))

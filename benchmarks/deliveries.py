"""Measure delivering: a plan in a warehouse, sent over HTTP to a receiver on loopback.

`python -m benchmarks deliveries [--operations 2000,20000] [--shape single] [--ledger URL]
[--drt PYTHON] [--limit 50] [--kill]`. Shapes: `single`, one signed request for each operation;
`batch`, a hundred to a request; `membership`, a thousand people to a request. Each run is a process
of its own, whose peak memory is that of the whole process. The receiver answers at once and keeps
nothing but counts, and when its first and last request came.

`--drt` names a Python in which drt-core is installed: it sends the same rows, from SQLite, by its
REST destination in record mode (single) or in batches of a hundred.
"""

import asyncio
import json
import multiprocessing
import subprocess
import sys
import tempfile
import time
from collections import deque
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from reverse_etl.ledger.store import Ledger
from reverse_etl.sync import SyncOptions, sync
from tests.reverse_etl.conftest import CREATE_PLAN
from warehouse.connection import connect
from warehouse.home import PROJECT, Home
from warehouse.landing import ensure_raw

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
BATCHES = {"single": 1, "batch": 100, "membership": 1000}
UNPACED = 1_000_000

PLAN = """
insert into kairos.sync_plan by name
select
    md5('o' || i) as operation_id, md5('k' || i) as idempotency_key, $destination as destination,
    'audience' as kind, 'add' as operation, 'people' as object_key,
    'user-' || i as user_key, '{"band": "high", "score": 0.5}' as payload, 'hash' as payload_hash,
    timestamp '2026-03-04 12:00:00' as planned_at, i as sequence_number
from range($count) as numbers (i)
"""

DRT = """
import json, pathlib, sqlite3, sys, time
from drt.config.models import RestApiDestinationConfig, SyncOptions
from drt.destinations.rest_api import RestApiDestination
from drt.config.credentials import SQLiteProfile
from drt.sources.sqlite import SQLiteSource
url, count, batch, folder = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
path = str(pathlib.Path(folder) / "rows.sqlite")
with sqlite3.connect(path) as rows:
    rows.execute("create table plan (idempotency_key, kind, operation, object_key, user_id, payload)")
    rows.executemany(
        "insert into plan values (?, 'audience', 'add', 'people', ?, ?)",
        ((f"{n:032x}", f"user-{n}", json.dumps({"band": "high", "score": 0.5})) for n in range(count)),
    )
shape = (
    {"native_idempotency_key": "{{ row.idempotency_key }}"}
    if batch == 1
    else {"body_mode": "batch", "batch_template": "{{ rows | tojson }}",
          "max_records_per_request": batch}
)
config = RestApiDestinationConfig(type="rest_api", url=url, **shape)
options = SyncOptions(rate_limit={"requests_per_second": 1_000_000})
began, cpu, sent, held = time.perf_counter(), time.process_time(), 0, []
def send():
    global sent
    sent += RestApiDestination().load(held, config, options).success
for row in SQLiteSource().extract("select * from plan", SQLiteProfile(type="sqlite", database=path)):
    held.append(row)
    if len(held) == 1000:
        send()
        held = []
if held:
    send()
seconds = time.perf_counter() - began
status = pathlib.Path("/proc/self/status").read_text()
memory = int(status.partition("VmHWM:")[2].split()[0])
cpu = time.process_time() - cpu
told = {"seconds": seconds, "cpu": cpu, "accepted": sent, "memory_mb": memory / 1024}
print(json.dumps(told))
"""  # noqa: E501 -- a script for another interpreter


class Receiver(asyncio.Protocol):
    """Answers every request with 200, or with 429 beyond a limit in any second."""

    tally: Any
    limit = 0
    recent: deque[float]

    def connection_made(self, transport: Any) -> None:
        """Begin to listen."""
        self.transport, self.data = transport, b""

    def data_received(self, data: bytes) -> None:
        """Answer whatever is whole."""
        self.data += data
        while (end := self.data.find(b"\r\n\r\n")) >= 0:
            head = self.data[:end].lower()
            _, _, rest = head.partition(b"content-length: ")
            length = int(rest.split(b"\r\n", 1)[0] or 0)
            if len(self.data) < end + 4 + length:
                return
            self.data = self.data[end + 4 + length :]
            self.transport.write(self._answer())

    def _answer(self) -> bytes:
        now, tally, recent = time.monotonic(), self.tally, self.recent
        while recent and recent[0] <= now - 1:
            recent.popleft()
        tally[0] += 1
        tally[3] = tally[3] or now
        tally[4] = now
        if self.limit and len(recent) >= self.limit:
            tally[1] += 1
            return b"HTTP/1.1 429 Too Many\r\nRetry-After: 1\r\nContent-Length: 2\r\n\r\n{}"
        recent.append(now)
        tally[2] = max(tally[2], len(recent))
        return b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


def _serve(port: Any, tally: Any, limit: int) -> None:
    async def forever() -> None:
        Receiver.tally, Receiver.limit, Receiver.recent = tally, limit, deque()
        server = await asyncio.get_running_loop().create_server(Receiver, "127.0.0.1", 0)
        port.put(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(forever())


def _environment(
    home: str, url: str, shape: str, rate: float, ledger: str | None
) -> dict[str, str]:
    env = {
        "KAIROS_HOME": home,
        "KAIROS_WEBHOOK_URL": url,
        "KAIROS_WEBHOOK_SECRET": "secret",
        "KAIROS_WEBHOOK_ALLOW_PRIVATE": "1",
        "KAIROS_WEBHOOK_BATCH_COUNT": str(BATCHES[shape]),
        "KAIROS_WEBHOOK_REQUESTS_PER_SECOND": str(rate),
        "KAIROS_APPCUES_ACCOUNT_ID": "account",
        "KAIROS_APPCUES_API_KEY": "key",
        "KAIROS_APPCUES_API_SECRET": "secret",
        "KAIROS_APPCUES_BASE_URL": url,
        "KAIROS_APPCUES_BATCH_COUNT": str(BATCHES[shape]),
    }
    return env | ({"KAIROS_LEDGER_URL": ledger} if ledger else {})


def _destination(shape: str) -> str:
    return "appcues" if shape == "membership" else "webhook"


def _send(env: dict[str, str], destination: str) -> None:
    """One run in this process, told as JSON."""
    home = Home.from_env(env)
    began, cpu = time.perf_counter(), time.process_time()
    report = sync(home, destination, env, lambda: NOW, options=SyncOptions())
    told = {
        "seconds": time.perf_counter() - began,
        "cpu": time.process_time() - cpu,
        "accepted": report.counts.get("accepted", 0),
        "done_before": report.done_before,
        "requests": report.request_count,
        "memory_mb": _peak_mb(),
    }
    print(json.dumps(told))


def _peak_mb() -> float:
    # of Linux alone: what getrusage tells begins with the peak of the process that started this one
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def _child(env: dict[str, str], destination: str) -> subprocess.Popen[str]:
    command = [
        sys.executable,
        "-m",
        "benchmarks.deliveries",
        "--child",
        json.dumps(env),
        destination,
    ]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=PROJECT)


def measure(
    shape: str, count: int, *, limit: int = 0, ledger: str | None = None, kill: bool = False
) -> dict[str, Any]:
    """Plan `count` operations, send them, and answer what it took."""
    tally = multiprocessing.Array("d", 5)
    ports: Any = multiprocessing.Queue()
    server = multiprocessing.Process(target=_serve, args=(ports, tally, limit), daemon=True)
    server.start()
    url = f"http://127.0.0.1:{ports.get()}"
    destination = _destination(shape)
    with tempfile.TemporaryDirectory() as folder:
        env = _environment(folder, url, shape, limit or UNPACED, ledger)
        home = Home.from_env(env).ensure()
        if ledger:
            with Ledger.open(ledger) as opened:
                opened.clear()
        with connect(home) as connection:
            ensure_raw(connection)
            connection.execute(CREATE_PLAN)
            connection.execute(PLAN, {"destination": destination, "count": count})
        if kill:
            killed = _child(env, destination)
            while tally[0] * BATCHES[shape] < count / 2:
                time.sleep(0.01)
            killed.kill()
            killed.communicate()
        before = tally[0]
        told: dict[str, Any] = json.loads(_child(env, destination).communicate()[0])
    server.terminate()
    seconds = tally[4] - tally[3]
    told |= {
        "fewest": -(-count // BATCHES[shape]),
        "sent": int(tally[0]),
        "before": int(before),
        "refused": int(tally[1]),
    }
    if limit:
        told["share"] = (tally[0] - 1) / seconds / limit
    return told


def measure_drt(python: str, shape: str, count: int) -> dict[str, Any]:
    """Let drt send as many rows to the same receiver."""
    tally = multiprocessing.Array("d", 5)
    ports: Any = multiprocessing.Queue()
    server = multiprocessing.Process(target=_serve, args=(ports, tally, 0), daemon=True)
    server.start()
    with tempfile.TemporaryDirectory() as folder:
        url = f"http://127.0.0.1:{ports.get()}/"
        values = [url, str(count), str(BATCHES[shape]), folder]
        told = subprocess.check_output([python, "-c", DRT, *values], text=True)
    server.terminate()
    return {**json.loads(told), "sent": int(tally[0]), "fewest": -(-count // BATCHES[shape])}


def _row(label: str, count: int, told: dict[str, Any]) -> None:
    pace = told["accepted"] / told["seconds"]
    requests = f"{told['sent']:,} of {told['fewest']:,}"
    click.echo(
        f"| {label} | {count:,} | {told['seconds']:.1f} | {told.get('cpu', 0):.1f} | {pace:,.0f} "
        f"| {told['memory_mb']:.0f} | {requests} |"
    )


@click.command()
@click.option("--operations", default="2000,20000", help="Sizes of the plan, with commas between.")
@click.option("--shape", "shapes", multiple=True, type=click.Choice(list(BATCHES)))
@click.option("--ledger", help="A ledger of its own, by URL, instead of SQLite: it is emptied.")
@click.option("--drt", help="A Python that has drt-core.")
@click.option("--limit", type=int, help="Requests per second that the receiver enforces.")
@click.option("--kill", is_flag=True, help="Kill a run half-way, and measure the next.")
@click.option("--child", nargs=2, hidden=True)
def main(
    operations: str,
    shapes: tuple[str, ...],
    ledger: str | None,
    drt: str | None,
    limit: int | None,
    kill: bool,
    child: tuple[str, str] | None,
) -> None:
    """Measure and print a table."""
    if child:
        _send(json.loads(child[0]), child[1])
        return
    click.echo("| | operations | s | cpu s | operations/s | peak MB | requests, fewest |")
    click.echo("|---|---|---|---|---|---|---|")
    for shape in shapes or tuple(BATCHES):
        for count in map(int, operations.split(",")):
            told = measure(shape, count, limit=limit or 0, ledger=ledger, kill=kill)
            _row(shape, count, told)
            if limit:
                click.echo(
                    f"| share of {limit}/s | {told['share']:.3f}, {told['refused']} refused |"
                )
            if kill:
                again = told["sent"] - told["fewest"]
                click.echo(f"| killed after {told['before']:,} requests; {again:,} sent again |")
            if drt and shape != "membership":
                _row(f"{shape}, drt", count, measure_drt(drt, shape, count))


if __name__ == "__main__":
    main()

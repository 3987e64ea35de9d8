"""Each line lands exactly once, whatever is offered, how often, and whoever is killed."""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from deliveries import event, json_lines, write, write_zip
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from warehouse.connection import connect
from warehouse.home import Home
from warehouse.ingest.load import ingest

NOW = datetime(2026, 2, 1, tzinfo=UTC)
PROJECT = Path(__file__).parents[2]


@pytest.mark.property
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    owners=st.lists(st.integers(0, 3), min_size=1, max_size=25),
    packings=st.lists(st.sampled_from(["plain", "gzip", "zip"]), min_size=4, max_size=4),
    has_archive=st.booleans(),
    offers=st.lists(st.lists(st.integers(0, 4), min_size=1, max_size=3), max_size=3),
    seed=st.integers(0, 2**16),
)
def test_any_split_packing_order_and_repetition_lands_each_line_once(
    owners, packings, has_archive, offers, seed
):
    contents = {owner: b"" for owner in owners}
    for number, owner in enumerate(owners):
        contents[owner] += json_lines(event(number))
    with TemporaryDirectory() as folder:
        place = Path(folder)
        files = [
            write(place / f"{owner}.{packing}", content, packing)
            for owner, content in contents.items()
            for packing in {packings[owner], "plain"}
        ]
        if has_archive:
            entries = {f"{owner}.jsonl": content for owner, content in contents.items()}
            files.append(
                write_zip(place / "all.zip", {**entries, "again.jsonl": contents[owners[0]]})
            )
        random.Random(seed).shuffle(files)
        home = Home.from_env({"KAIROS_HOME": str(place / "home")})
        for offer in [*offers, range(len(files))]:
            paths = [str(files[number % len(files)]) for number in offer]
            assert not ingest(home, paths, NOW).refused
        with connect(home) as connection:
            landed = connection.execute("select event_id from raw.events").fetchall()
            [(row_count,)] = connection.execute("select sum(row_count) from raw.loads").fetchall()
    assert Counter(landed) == Counter((f"e{number}",) for number in range(len(owners)))
    assert row_count == len(owners)


def test_the_same_content_under_another_name_is_known(take, count, tmp_path):
    content = json_lines(event(1), event(2))
    take(write(tmp_path / "a.jsonl", content))
    again = take(write(tmp_path / "b.jsonl.gz", content, "gzip"))
    assert [load.source_file for load in again.known] == [f"{tmp_path}/b.jsonl.gz"]
    assert (again.row_count, count(), count("raw.loads")) == (0, 2, 1)


def test_of_an_archive_only_what_is_unknown_is_taken(take, count, rows, tmp_path):
    first, second = json_lines(event(1)), json_lines(event(2))
    take(write(tmp_path / "a.jsonl", first))
    path = write_zip(tmp_path / "b.zip", {"1.jsonl": first, "2.jsonl": second, "3.jsonl": second})
    result = take(path)
    assert [load.source_file for load in result.taken] == [f"{path}/2.jsonl"]
    assert len(result.known) == 2
    assert rows("select event_id from raw.events order by 1") == [("e1",), ("e2",)]
    assert take(path).row_count == 0


@pytest.mark.parametrize("delay_seconds", [0, 0.1, 0.2, 0.4])
def test_a_load_killed_at_any_moment_leaves_nothing_and_the_next_completes(
    home, take, count, tmp_path, delay_seconds
):
    path = write(tmp_path / "a.jsonl", json_lines(*(event(n) for n in range(60_000))), "gzip")
    # many small parts, so that there is much to interrupt
    script = "import warehouse.ingest.spool as spool; spool.PART_BYTES = 1 << 16\n"
    script += f"from kairos.cli import main; main(['ingest', {str(path)!r}])"
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=PROJECT,
        env={**os.environ, "KAIROS_HOME": str(home.root), "PYTHONPATH": str(PROJECT)},
        stdout=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 60
    while not list(home.root.glob("tmp/spool-*")) and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(delay_seconds)
    process.send_signal(signal.SIGKILL)
    # a quick machine may be done before a late kill; the first one always meets a load under way
    assert process.wait() == -signal.SIGKILL or delay_seconds
    take(path)
    assert (count(), count("raw.loads")) == (60_000, 1)
    assert not list(home.root.glob("tmp/spool-*"))

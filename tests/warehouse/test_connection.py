import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest

from warehouse.connection import connect, holder, lock_timeout, snapshot, writer
from warehouse.errors import KairosError, WarehouseLocked, WarehouseMissing, WarehouseUnusable

PROJECT = Path(__file__).parents[2]


@contextmanager
def another_process(home, held):
    """Hold `connect(home)` or `writer(home)` in a process of its own, until the block ends."""
    script = (
        "import sys; from warehouse.connection import connect, writer\n"
        "from warehouse.home import Home\n"
        f"with {held}(Home.from_env({{'KAIROS_HOME': {str(home.root)!r}}})):\n"
        "    print('held', flush=True); sys.stdin.read()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=PROJECT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "held\n"
    try:
        yield process
    finally:
        process.communicate("")


@pytest.mark.parametrize("read_only", [True, False])
def test_a_file_held_by_another_process_is_named_with_its_process(home, read_only):
    with (
        another_process(home, "connect") as process,
        pytest.raises(WarehouseLocked) as caught,
        connect(home, read_only=read_only, patience_seconds=0.2),
    ):
        pass
    assert str(home.warehouse) in str(caught.value)
    assert f"process {process.pid} " in str(caught.value)


def test_a_file_held_for_a_moment_is_waited_for(home):
    with another_process(home, "connect") as process:
        threading.Timer(0.5, process.stdin.close).start()
        with connect(home, patience_seconds=30) as connection:
            assert connection.execute("select 1").fetchone() == (1,)
        process.stdin = None


def test_a_missing_warehouse_cannot_be_read_and_is_not_made(home):
    with pytest.raises(WarehouseMissing, match="run `kairos ingest PATH`"), connect(home, True):
        pass
    assert not home.root.exists()


def test_a_file_that_is_no_warehouse_is_named(home):
    home.ensure()
    home.warehouse.write_text("something else" * 1000)
    with pytest.raises(WarehouseUnusable, match="move the file away"), connect(home):
        pass
    assert home.warehouse.read_text().startswith("something else")


@pytest.mark.parametrize("kind", [duckdb.IOException, duckdb.TransactionException])
def test_trouble_with_the_disk_while_in_use_is_named(home, kind):
    with pytest.raises(WarehouseUnusable, match="see that its disk has room"), connect(home):
        raise kind('Failed to commit: Could not write file "x.wal": No space left on device')


def test_text_without_a_zone_is_utc(home):
    with connect(home) as connection:
        found = connection.execute("select timestamptz '2026-01-01'::varchar").fetchone()
    assert found == ("2026-01-01 00:00:00+00",)


def test_reading_is_possible_while_this_process_writes(home):
    with connect(home) as outer:
        outer.execute("create table t as select 1 as a")
        with connect(home, read_only=True) as inner:
            assert inner.execute("select a from t").fetchone() == (1,)


def test_a_snapshot_is_whole_and_holds_no_lock(home, tmp_path):
    path = tmp_path / "out" / "plan's.parquet"
    with connect(home) as connection:
        connection.execute("create table t as select range as a from range(3)")
    assert snapshot(home, "select a from t where a > 0", path) == path
    with connect(home):
        assert sorted(duckdb.read_parquet(str(path)).fetchall()) == [(1,), (2,)]


def test_a_snapshot_that_fails_leaves_nothing(home, tmp_path):
    with connect(home):
        pass
    with pytest.raises(duckdb.Error):
        snapshot(home, "select nonesuch", tmp_path / "out.parquet")
    assert not list(tmp_path.glob("*.parquet*"))


def test_a_second_writer_waits_says_so_and_gives_up(home):
    said = []
    with another_process(home, "writer") as process:
        assert f"process {process.pid} " in holder(home)
        with (
            pytest.raises(WarehouseLocked, match="KAIROS_LOCK_TIMEOUT_SECONDS") as caught,
            writer(home, timeout_seconds=0.2, on_wait=said.append),
        ):
            pass
    assert f"process {process.pid} " in str(caught.value)
    assert len(said) == 1
    assert "waiting for it" in said[0]


def test_a_second_writer_goes_on_when_the_first_is_done(home):
    with another_process(home, "writer") as process:
        threading.Timer(0.3, process.stdin.close).start()
        with writer(home, timeout_seconds=30, on_wait=lambda _: None):
            pass
        process.stdin = None
    assert holder(home) is None


def test_the_writer_may_call_what_writes_as_well(home):
    with writer(home, 0), writer(home, 0):
        assert "process" in holder(home)
    assert holder(home) is None


def test_threads_of_one_process_write_one_after_the_other(home):
    order = []

    def write(name):
        with writer(home, 30, on_wait=lambda _: None):
            order.append(name)
            threading.Event().wait(0.05)
            order.append(name)

    threads = [threading.Thread(target=write, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert order[0::2] == order[1::2]


@pytest.mark.parametrize("text", ["soon", "-1", "inf", "nan"])
def test_a_timeout_that_is_none_is_refused(text):
    with pytest.raises(KairosError, match="number of seconds"):
        lock_timeout({"KAIROS_LOCK_TIMEOUT_SECONDS": text})


def test_the_timeout_comes_from_the_environment():
    assert lock_timeout({"KAIROS_LOCK_TIMEOUT_SECONDS": "0.5"}) == 0.5
    assert lock_timeout({}) == 60

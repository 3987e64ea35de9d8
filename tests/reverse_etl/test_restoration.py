"""A ledger that was lost, moved or put back from an older copy sends nothing again."""

import logging
import shutil
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa

from reverse_etl.ledger import schema
from reverse_etl.ledger.store import Ledger
from reverse_etl.replica import recover, replicate
from tests.reverse_etl.conftest import Line, later, moment, operation

ONE_A_DAY = ("one_a_day", "all", None, "rolling", 86_400, None, 1)


def copy(line: Line) -> None:
    with Ledger.open(line.home.ledger_url) as ledger:
        replicate(line.home, ledger, line.now)


def lose(line: Line) -> None:
    """Leave nothing of the ledger, not even the numbers that it gave."""
    engine = sa.create_engine(line.home.ledger_url)
    if engine.dialect.name == "sqlite":
        for path in Path(engine.url.database or "").parent.glob("ledger.db*"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    else:
        schema.metadata.drop_all(engine)
    engine.dispose()


def test_nothing_is_sent_again_and_caps_still_count(any_line: Line, sandbox, caplog) -> None:
    rows = [*(moment(n) for n in range(5)), *(operation(n) for n in range(10, 14))]
    any_line.caps(ONE_A_DAY)
    any_line.plan(rows)
    assert any_line.sync().counts == {"accepted": 9}
    copy(any_line)
    requests = len(sandbox.requests("webhook"))

    lose(any_line)
    with caplog.at_level(logging.WARNING):
        again = any_line.sync()

    assert (again.done_before, again.request_count) == (9, 0)
    assert "changes were taken over" in caplog.text
    any_line.plan([moment(20, user_key="user-1"), moment(21, user_key="user-21")])
    assert any_line.sync().counts == {"accepted": 1, "suppressed": 1}
    assert len(sandbox.requests("webhook")) == requests + 1


def test_what_comes_afterwards_is_copied(any_line: Line) -> None:
    any_line.plan([operation(n) for n in range(5)])
    any_line.sync()
    copy(any_line)
    before = any_line.query("select * from raw.sync_operations order by sequence")
    known = any_line.states()

    lose(any_line)
    copy(any_line)
    assert any_line.states() == known
    any_line.plan([operation(7)])
    any_line.sync()
    copy(any_line)

    after = any_line.query("select * from raw.sync_operations order by sequence")
    assert after[: len(before)] == before
    numbers = [row[0] for row in after]
    assert numbers == sorted(set(numbers)) and len(numbers) > len(before)
    assert any_line.query("select count(*), count(distinct sequence) from raw.sync_runs") == [
        (2, 2)
    ]


def test_a_place_that_was_given_back_is_free(line: Line, sandbox) -> None:
    line.caps(ONE_A_DAY)
    line.plan([moment(1, destination="appcues")])
    sandbox.fault(kind="5xx", destination="appcues", status=422)
    assert line.sync("appcues").counts == {"rejected": 1}
    copy(line)

    lose(line)
    line.plan([moment(2, destination="appcues", user_key="user-1")])

    assert line.sync("appcues").counts == {"accepted": 1}


def test_an_older_copy_learns_what_came_after_it(line: Line, tmp_path: Path) -> None:
    file = line.home.root / "ledger.db"
    line.plan([operation(1), operation(2, verb="remove")])
    line.sync()
    copy(line)
    with Ledger.open(line.home.ledger_url):
        pass
    shutil.copy(file, tmp_path / "older.db")
    line.plan([operation(3), moment(4)])
    line.sync()
    copy(line)
    known = line.states()

    lose(line)
    shutil.copy(tmp_path / "older.db", file)
    again = line.sync()

    assert (again.done_before, again.request_count) == (2, 0)
    assert line.states() == known


def test_what_another_ledger_began_with_is_kept(line: Line, monkeypatch) -> None:
    line.plan([operation(n) for n in range(5)])
    line.sync()
    copy(line)
    lose(line)
    line.plan([operation(9)])
    # as a Kairos would that knew nothing of this
    with monkeypatch.context() as patched:
        patched.setattr("reverse_etl.sync.recover", lambda *_: 0)
        assert line.sync().counts == {"accepted": 1}

    line.plan([operation(n) for n in (0, 4, 9)])

    assert line.sync().done_before == 3


def test_all_of_it_or_nothing(any_line: Line, monkeypatch) -> None:
    monkeypatch.setattr("reverse_etl.replica.KEPT", 3)
    any_line.plan([operation(n) for n in range(8)])
    any_line.sync()
    copy(any_line)
    lose(any_line)

    def die(*_: object) -> None:
        raise RuntimeError("killed")

    with monkeypatch.context() as patched, Ledger.open(any_line.home.ledger_url) as ledger:
        patched.setattr("reverse_etl.ledger.restoration._run", die)
        with pytest.raises(RuntimeError):
            recover(any_line.home, ledger)
        assert ledger.operations() == []

    assert any_line.sync().done_before == 8


def test_two_at_once_take_it_over_once(any_line: Line) -> None:
    any_line.plan([operation(n) for n in range(50)])
    any_line.sync()
    copy(any_line)
    expected = any_line.states()
    lose(any_line)
    counts: list[int] = []
    with Ledger.open(any_line.home.ledger_url) as ledger:
        threads = [
            threading.Thread(target=lambda: counts.append(recover(any_line.home, ledger)))
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert sorted(counts)[:3] == [0, 0, 0] and counts.count(0) == 3
    assert any_line.states() == expected
    any_line.now = later(hours=1)
    assert any_line.sync().done_before == 50

"""The warehouse's copy of the ledger: nothing skipped, nothing twice."""

import threading
import time

from reverse_etl.ledger import schema
from reverse_etl.ledger.caps import Guard
from reverse_etl.ledger.store import Ledger
from reverse_etl.replica import replicate
from tests.reverse_etl.conftest import NOW, Line, moment, operation


def claim(ledger: Ledger, number: int) -> None:
    ledger.claim(
        [moment(number)],
        owner_id=f"owner-{number}",
        run_id="run",
        at=NOW,
        guard=Guard([]),
        resends=lambda *_: True,
    )


def test_a_number_that_commits_late_is_not_skipped(ledger: Ledger) -> None:
    # PostgreSQL hands out sequence numbers before their transactions commit
    claim(ledger, 1)
    has_number, commits = threading.Event(), threading.Event()

    def write_slowly() -> None:
        with ledger._database.write() as connection:
            ledger._set(connection, [moment(1).idempotency_key], {"state = ?": "in_flight"})
            has_number.set()
            commits.wait(10)

    slow = threading.Thread(target=write_slowly)
    slow.start()
    has_number.wait(10)
    fast = threading.Thread(target=claim, args=(ledger, 2))
    fast.start()
    threading.Timer(0.3, commits.set).start()
    time.sleep(0.1)

    last, seen = 0, []
    for _ in range(2):
        for change in ledger.changes_after(last, 100):
            last = change.sequence
            seen.append((change.decision_id, change.state))
        slow.join()
        fast.join()

    assert sorted(seen) == [
        ("decision-1", "in_flight"),
        ("decision-1", "reserved"),
        ("decision-2", "reserved"),
    ]


def test_a_copy_in_pieces_is_the_copy_in_one(any_line: Line, monkeypatch) -> None:
    monkeypatch.setattr("reverse_etl.replica.BATCH", 7)
    with Ledger.open(any_line.home.ledger_url) as ledger:
        for count in (10, 25):
            any_line.plan([operation(n) for n in range(count)])
            any_line.sync()
            replicate(any_line.home, ledger, any_line.now)
        changes = [row.sequence for row in ledger.changes_after(0, 1000)]

    copied = any_line.query("select sequence from raw.sync_operations order by sequence")
    assert [sequence for (sequence,) in copied] == changes
    assert any_line.query("select count(*) from raw.sync_runs") == [(2,)]


def test_the_copy_has_the_instants_in_utc(line: Line) -> None:
    line.plan([moment(1)])
    line.sync()
    with Ledger.open(line.home.ledger_url) as ledger:
        replicate(line.home, ledger, line.now)

    [row] = line.query(
        "select planned_at, acknowledged_at, loaded_at from raw.sync_operations "
        "where state = 'accepted'"
    )
    assert set(row) == {NOW.replace(tzinfo=None)}
    assert schema.from_micros(schema.to_micros(NOW)) == NOW

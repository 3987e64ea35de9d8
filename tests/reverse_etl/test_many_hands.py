"""Several dispatchers, real processes, real signals."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from reverse_etl.ledger.caps import Guard
from reverse_etl.ledger.store import Ledger, Standing
from reverse_etl.model import State
from tests.reverse_etl.conftest import NOW, Line, moment, operation

ROOT = Path(__file__).parents[2]


def start(line: Line, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "kairos", "sync", *arguments],
        cwd=ROOT,
        env={**os.environ, **line.env},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for_requests(sandbox, destination: str, count: int) -> None:
    deadline = time.monotonic() + 30
    while len(sandbox.requests(destination)) < count:
        assert time.monotonic() < deadline, "no request came"
        time.sleep(0.005)


def test_dispatchers_at_the_same_time_never_send_the_same_operation(any_line: Line, sandbox):
    # Appcues cannot tell a repeated event: what is sent twice is seen twice
    sandbox.limit("appcues", None)
    any_line.plan([moment(n, destination="appcues") for n in range(120)])

    with ThreadPoolExecutor(4) as pool:
        reports = [f.result() for f in [pool.submit(any_line.sync, "appcues") for _ in range(4)]]

    assert set(sandbox.witness("appcues").events.values()) == {1}
    assert sum(sandbox.witness("appcues").events.values()) == 120
    assert sum(report.counts.get("accepted", 0) for report in reports) == 120


def test_what_a_living_dispatcher_holds_is_not_given_to_another(ledger: Ledger) -> None:
    def claim(owner_id: str) -> Standing:
        [claim] = ledger.claim(
            [moment(1)],
            owner_id=owner_id,
            run_id=owner_id,
            at=NOW,
            guard=Guard([]),
            resends=lambda *_: True,
        )
        return claim.standing

    first = ledger.owner("first")
    with ledger.owner("second"):
        with first:
            assert claim("first") is Standing.CLAIMED
            assert claim("second") is Standing.HELD
        assert claim("second") is Standing.CLAIMED
        assert ledger.begin([moment(1).idempotency_key], "first", NOW) == set(), "fenced"
        assert ledger.begin([moment(1).idempotency_key], "second", NOW) != set()


def test_an_operation_that_another_takes_at_the_same_instant_is_theirs(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"at": NOW, "guard": Guard([]), "resends": lambda *_: True}
    operations = [moment(1), operation(2), operation(3)]
    with Ledger.open(postgres_url) as ledger, Ledger.open(postgres_url) as faster:
        insert = ledger._insert_new

        def overtaken(*rest):
            # it has seen that nobody has these, and now somebody has
            faster.claim(operations[:2], owner_id="faster", run_id="faster", **options)
            return insert(*rest)

        monkeypatch.setattr(ledger, "_insert_new", overtaken)
        with ledger.owner("slower"), faster.owner("faster"):
            claims = ledger.claim(operations, owner_id="slower", run_id="slower", **options)
            keys = [one.idempotency_key for one in operations]
            assert [claim.standing for claim in claims] == [
                Standing.HELD,
                Standing.HELD,
                Standing.CLAIMED,
            ]
            assert ledger.begin(keys, "slower", NOW) == {keys[2]}
            assert faster.begin(keys, "faster", NOW) == set(keys[:2])


def test_a_lease_that_ran_out_is_taken_over_and_its_owner_fenced(ledger_url: str) -> None:
    key = moment(1).idempotency_key
    with Ledger.open(ledger_url, lease_seconds=0.3) as ledger:
        stuck, other = ledger.owner("stuck"), ledger.owner("other")
        stuck._renew = lambda _: None  # alive, and so slow that its term ends
        with other:
            ledger._renew("stuck")
            with stuck:
                options = {"at": NOW, "guard": Guard([]), "resends": lambda *_: True}
                ledger.claim([moment(1)], owner_id="stuck", run_id="stuck", **options)
                assert ledger.begin([key], "stuck", NOW) == {key}
                time.sleep(0.4)
                [taken] = ledger.claim([moment(1)], owner_id="other", run_id="other", **options)
                assert (taken.standing, taken.was_in_doubt) == (Standing.CLAIMED, True)
                assert ledger.begin([key], "stuck", NOW) == set()


@pytest.mark.parametrize("seed", range(2))
def test_kill_9_at_any_time_loses_nothing_and_repeats_nothing(any_line, sandbox, seed) -> None:
    dice = random.Random(seed)
    sandbox.limit("appcues", None)
    sandbox.fault(kind="slow", destination="*", seconds=0.02, times=None)
    any_line.env["KAIROS_WEBHOOK_BATCH_COUNT"] = "3"
    any_line.plan(
        [
            *(moment(n) for n in range(60)),
            *(moment(n, destination="appcues") for n in range(60)),
            *(operation(n, destination="appcues", object_key=f"a{n % 5}") for n in range(60)),
        ]
    )
    for _ in range(2):
        process = start(any_line)
        seen = len(sandbox.requests())
        deadline = time.monotonic() + 30
        while len(sandbox.requests()) < seen + dice.randrange(1, 20):
            assert time.monotonic() < deadline
            time.sleep(0.002)
        process.kill()
        process.communicate()
    sandbox.faults.clear()

    for name in ("webhook", "appcues"):
        any_line.sync(name)

    webhook, appcues = sandbox.witness("webhook"), sandbox.witness("appcues")
    with Ledger.open(any_line.home.ledger_url) as ledger:
        rows = {row.idempotency_key: row for row in ledger.operations()}
    assert len(rows) == 180
    assert set(webhook.events.values()) == {1} and len(webhook.events) == 60
    assert sum(map(len, appcues.members.values())) == 60
    doubtful = {key for key, row in rows.items() if row.state == State.UNKNOWN}
    assert all(rows[key].kind == "moment" for key in doubtful)
    for number in range(60):
        key = moment(number, destination="appcues").idempotency_key
        assert appcues.events[key] <= 1, "repeated although the policy is skip"
        assert appcues.events[key] == 1 or key in doubtful, "lost"


def test_sigterm_ends_a_run_in_order(line: Line, sandbox) -> None:
    sandbox.fault(kind="slow", destination="webhook", seconds=0.05, times=None)
    line.env["KAIROS_WEBHOOK_BATCH_COUNT"] = "1"
    line.plan([moment(n) for n in range(200)])
    process = start(line, "webhook")
    wait_for_requests(sandbox, "webhook", 5)

    process.send_signal(signal.SIGTERM)
    output, words = process.communicate(timeout=30)

    assert process.returncode == 0, words
    assert "stopped" in output
    assert "stopping" in words
    counts = Counter(line.states().values())
    assert counts["in_flight"] == counts["unknown"] == counts["retryable"] == 0
    assert f"{200 - counts['accepted']} left for a later run" in output
    assert counts["accepted"] == sum(sandbox.witness("webhook").events.values()) < 200
    sandbox.faults.clear()
    assert line.sync().counts == {"accepted": 200 - counts["accepted"]}


def test_a_run_that_was_killed_is_closed_by_the_next(line: Line, sandbox) -> None:
    sandbox.fault(kind="slow", destination="webhook", seconds=0.2, times=None)
    # one request would be answered, and the run over, before the signal comes
    line.env["KAIROS_WEBHOOK_BATCH_COUNT"] = "1"
    line.plan([moment(n) for n in range(12)])
    process = start(line, "webhook")
    wait_for_requests(sandbox, "webhook", 1)
    process.kill()
    process.communicate()

    line.sync()

    with Ledger.open(line.home.ledger_url) as ledger:
        assert [run.status for run in ledger.runs_after(0, 10)] == ["abandoned", "done"]


def test_one_destination_that_hangs_does_not_hold_up_another(line: Line, sandbox) -> None:
    sandbox.fault(kind="slow", destination="appcues", seconds=1.5, times=None)
    line.plan(
        [*(operation(n) for n in range(50)), *(operation(1, destination="appcues") for n in "a")]
    )
    ended: dict[str, float] = {}

    def sync(name: str) -> None:
        line.sync(name)
        ended[name] = time.monotonic()

    threads = [threading.Thread(target=sync, args=(name,)) for name in ("appcues", "webhook")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert ended["webhook"] < ended["appcues"] - 0.5

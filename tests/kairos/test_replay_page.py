"""The page of a replay says what a growth team asks, also where there was nothing."""

from collections import Counter
from datetime import UTC, datetime

from kairos.replay_page import page
from warehouse.replay import Decisions, Replay

DAY = (datetime(2026, 1, 5, tzinfo=UTC), datetime(2026, 1, 6, tzinfo=UTC))
NOON = DAY[0].replace(hour=12, tzinfo=None)
NONE = Decisions()
SOME = Decisions(
    Counter({("tip", "send", "passed"): 3, ("tip", "suppressed", "cap_reached"): 1}),
    {NOON: 3},
    Counter({1: 1, 2: 1}),
)


def test_messages_are_summed_by_trigger_and_every_reason_is_told() -> None:
    written = page(Replay(24, NONE, SOME, False, 4, 2, 2, 0), *DAY, ["<caps>"])
    assert "3 messages\ninstead of 0</b>" in written
    assert written.count("<td>tip</td>") == 2, "once with its messages, once with its reasons"
    assert "<td>cap reached</td>" in written
    assert "1: 1 person<br>2: 1 person" in written
    assert "&lt;caps&gt;" in written


def test_what_is_the_same_is_no_difference() -> None:
    written = page(Replay(24, SOME, SOME, True, 0, 0, 0, 0), *DAY, [])
    assert "(+0%)" in written
    assert "+0<" not in written

"""Law 1 for what is said of people: lists may be older than their arrival, and runs may die."""

import pytest

from tests.harness import Happening, Statement
from tests.laws.incremental import IncrementalLine, Interrupted
from tests.laws.test_law_1_arrival_order import differences

DAY = 86_400.0
LATER = 10 * DAY
DONE = [
    Happening(at, name, event_id=f"{who} {name} {at}", actor=f"{who}'s browser", user_id=who)
    for who in ("ann", "bob")
    for at, name in ((0.0, "click"), (10.0, "team_invited"), (DAY, "team_invited"))
]
SAID = [
    Statement(5.0, "ann", segment="business", signed_up=-60.0),
    Statement(10.0, "bob", signed_up=-60.0),
    Statement(0.5 * DAY, "bob", signed_up=-30.0),
]


def milestones(line: IncrementalLine) -> list[tuple]:
    return line.connection.execute(
        "select user_key, value from kairos.signals where signal_name = 'milestone_reached' "
        "order by user_key, detected_at"
    ).fetchall()


def test_what_is_said_late_counts_from_when_it_was_so(plain, narrowed) -> None:
    """Nobody does anything any more when it comes to be known, and no session is worked through."""
    line = IncrementalLine(plain, narrowed)
    line.load(DONE, loaded_at=LATER)
    line.run(LATER)
    assert milestones(line) == [("ann", None), ("ann", None), ("bob", None), ("bob", None)]

    line.load_statements(SAID, loaded_at=LATER + 5)
    line.run(LATER + 10)
    assert milestones(line) == [("ann", 70), ("ann", DAY + 60), ("bob", 70), ("bob", DAY + 30)]

    anew = IncrementalLine(plain, narrowed)
    anew.load(DONE, loaded_at=LATER)
    anew.load_statements(SAID, loaded_at=LATER + 5)
    anew.run(LATER + 10, full_refresh=True)
    assert differences(line, anew) == {}


def test_what_events_say_is_read_off_them_by_the_next_run(plain, narrowed) -> None:
    """A run that dies in between has judged the events, which are new to nobody after that."""
    said = [
        Happening(at, "identify", {"traits": {"segment": segment}}, event_id=segment, user_id="ann")
        for at, segment in ((0.0, "business"), (1.0, "self_serve"))
    ]
    line, anew = (IncrementalLine(plain, narrowed) for _ in range(2))
    line.load(said[:1], loaded_at=10)
    line.run(10)
    line.load(said[1:], loaded_at=20)
    names = [model.name for model in line.plain]
    with pytest.raises(Interrupted):
        line.run(20, killed_after=names.index("int_events_checked") + 1)
    line.run(20)

    anew.load(said[:1], loaded_at=10)
    anew.load(said[1:], loaded_at=20)
    anew.run(20, full_refresh=True)
    assert differences(line, anew) == {}

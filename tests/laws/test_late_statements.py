"""Law 1 where it is said late what somebody was: lists may be older than their arrival."""

from tests.harness import Happening, Statement
from tests.laws.incremental import IncrementalLine
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

"""Law 1 where a run works through sessions that lie months apart, and skips what lies between."""

from dataclasses import replace

import pytest

from tests.harness import Happening
from tests.laws.incremental import IncrementalLine
from tests.laws.test_law_1_arrival_order import differences

HOUR = 3600.0
MONTH = 30 * 24 * HOUR
FIRST, SECOND = 40 * MONTH, 41 * MONTH
CLICK = {"element_id": "x", "x": 10, "y": 10}


def click(at: float, **more: object) -> Happening:
    return Happening(at, "click", CLICK, **more)


LIFE = [
    Happening(0, "page_view", {"doc_height": 4000, "viewport_height": 800}),
    click(1),
    Happening(20, "cta_click_failed", {"cta_id": "go"}),
    # a pause between, and a dead click and a silence at the end
    click(60),
]

CHANGES = {
    "nothing": [],
    "goes on": [click(70)],
    "goes on in the next session": [click(60 + 2 * HOUR)],
    "reaches its limit": [click(900.0 * number) for number in range(1, 6)],
    "began before": [click(-100)],
    "is joined to what came before": [click(-1700), click(-3400)],
    "is somebody's": [Happening(-10 * HOUR, "sign_in", user_id="ann")],
    "has one more in between": [click(30)],
}
"""What comes late, for a life whose four events were there at first."""

GOES_ON = [click(1500), click(2800), click(3990)]

MOVED = {
    "ends sooner": (6, -900.0),
    "ends in a session of its own": (6, 2 * HOUR),
    "is cut short": (6, -3 * HOUR),
    "is cut in two, more than an hour before its end": (4, -3 * HOUR),
}
"""Of a life that goes on: which event moves, and how far, when an earlier delivery turns up."""


def lives() -> tuple[list[Happening], list[Happening]]:
    """Return what is there at first and what comes late, each life months from the next one."""
    soon, late = [], []
    for number, name in enumerate((*CHANGES, *MOVED)):
        life = [
            replace(
                each,
                at=number * MONTH + each.at,
                event_id=f"{name} {place}",
                actor=name,
                loaded_at=FIRST,
            )
            for place, each in enumerate([*LIFE, *CHANGES.get(name, GOES_ON)])
        ]
        known = len(life) - len(CHANGES.get(name, ()))
        soon += life[:known]
        late += [replace(each, loaded_at=SECOND) for each in life[known:]]
        if name in MOVED:
            place, seconds = MOVED[name]
            moved = life[place]
            late.append(replace(moved, at=moved.at + seconds, loaded_at=FIRST - HOUR))
    return soon, late


@pytest.fixture(scope="module")
def both(plain, narrowed) -> tuple[IncrementalLine, IncrementalLine]:
    """The line run load by load, and built anew."""
    soon, late = lives()
    line = IncrementalLine(plain, narrowed)
    line.load(soon)
    line.run(FIRST)
    line.load(late)
    line.run(SECOND)
    anew = IncrementalLine(plain, narrowed)
    anew.load([*soon, *late])
    anew.run(SECOND, full_refresh=True)
    return line, anew


def test_sessions_months_apart_are_those_of_a_full_refresh(both) -> None:
    line, anew = both
    assert differences(line, anew) == {}


def test_what_lies_between_is_skipped(both) -> None:
    """Every session that changed has a period of its own, and what did not change is in none."""
    line, _ = both
    [(known, longest)] = line.connection.execute(
        "select count(*), max(ends_at - starts_at) < interval 1 day "
        "from kairos.int_changed_periods where is_known"
    ).fetchall()
    unchanged = {"nothing", "goes on in the next session"}
    assert (known, longest) == (len(CHANGES) + len(MOVED) - len(unchanged), True)
    [(at_rest,)] = line.connection.execute(
        "select count(*) from kairos.int_changed_periods as periods "
        "join kairos.session_events as events "
        "on events.event_at between periods.starts_at and periods.ends_at "
        "where events.actor_id = 'nothing'"
    ).fetchall()
    assert at_rest == 0

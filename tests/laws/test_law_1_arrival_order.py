"""Law 1: arrival order does not matter, and a run that dies is made good by the next."""

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.harness import Happening, Statement
from tests.laws.incremental import IncrementalLine, Interrupted

PAGES = tuple(f"https://app.example.com/{name}" for name in ("a", "b", "c"))
BROWSERS = (*(f"browser-{number:02d}" for number in range(29)), "crawler")
GAPS = (
    0.0,
    0.4,
    5.0,
    11.999,
    12.0,
    12.001,
    31.0,
    600.0,
    1333.0,
    1333.0,
    1800.0,
    1800.001,
    4000.0,
    50000.0,
)
"""Seconds between events, most of them at an edge: of a burst, a pause, a session, a day."""

AGENTS = (("Mozilla/5.0 Firefox",), ("Googlebot/2.1", "Googlebot/2.1", "Mozilla/5.0 Firefox"))
"""Of a browser, and of a crawler that now and then passes for one."""

LOADS = 3


@st.composite
def happenings(draw) -> list[Happening]:
    """Draw the histories of several browsers, each a walk along the edges."""
    history = []
    for browser in BROWSERS:
        at, page = 0.0, 0
        for number in range(draw(st.integers(0, 9))):
            at += draw(st.sampled_from(GAPS))
            name, properties = draw(st.sampled_from(KINDS))
            page = (page + 1) % len(PAGES) if name == "page_view" else page
            history.append(
                Happening(
                    at=at,
                    event_name=name,
                    properties=properties,
                    event_id=f"{browser}-{number:02d}",
                    actor=browser,
                    user_id=draw(st.sampled_from((None, None, None, "ann", "bob"))),
                    page_url=PAGES[page],
                    user_agent=draw(st.sampled_from(AGENTS[browser == "crawler"])),
                )
            )
    return history


KINDS = (
    ("page_view", {"doc_height": 4000, "viewport_height": 800}),
    ("page_ping", {"scroll_offset_max": 900, "doc_height": 4000, "viewport_height": 800}),
    ("scroll", {"scroll_offset_max": 100, "doc_height": 4000, "viewport_height": 800}),
    ("click", {"element_id": "x", "x": 10, "y": 10}),
    ("click", {"element_id": "x", "x": 12, "y": 10, "detail": 0}),
    ("key_press", {}),
    ("pointer_move", {}),
    ("page_hidden", {}),
    ("page_leave", {}),
    ("cta_impression", {"cta_id": "go"}),
    ("cta_click_failed", {"cta_id": "go"}),
    ("cta_click_failed", {}),
    ("cta_click", {"cta_id": "go"}),
    ("cta_skipped", {"cta_id": "go"}),
    ("form_started", {"form_id": "f"}),
    ("form_submitted", {"form_id": "f"}),
    ("setup_started", {"setup_id": "s"}),
    ("setup_completed", {"setup_id": "s"}),
    ("help_tip_shown", {"tip_id": "t"}),
    ("hover", {"element_id": "x", "duration_ms": 900}),
    ("sign_up", {}),
    ("identify", {"traits": {"segment": "business"}}),
    ("identify", {"traits": {"segment": "self_serve"}}),
    ("profile_completed", {}),
    ("moon_phase", {}),
)


@st.composite
def deliveries(draw) -> list[list[Happening]]:
    """Deal a history into loads in any order, some events twice, some under a changed payload."""
    loads = [[] for _ in range(LOADS)]
    for happening in draw(happenings()):
        loads[draw(st.integers(0, LOADS - 1))].append(happening)
        if draw(st.integers(0, 24)) == 0:
            loads[draw(st.integers(0, LOADS - 1))].append(happening)
        if draw(st.integers(0, 49)) == 0:
            changed = replace(happening, at=happening.at + 7, page_url=PAGES[0] + "?changed")
            loads[draw(st.integers(0, LOADS - 1))].append(changed)
    return [draw(st.permutations(load)) for load in loads]


@st.composite
def lists(draw, loads: list[list[Happening]]) -> list[list[Statement]]:
    """Draw what lists say of people, from before or after what they did, and deal it into loads."""
    instants = [happening.at for load in loads for happening in load] or [0.0]
    dealt = [[] for _ in range(LOADS)]
    for _ in range(draw(st.integers(0, 8))):
        statement = Statement(
            draw(st.sampled_from(instants)) + draw(st.sampled_from((0.0, 0.001, 600.0))),
            draw(st.sampled_from(("ann", "bob"))),
            segment=draw(st.sampled_from((None, "business", "self_serve"))),
            signed_up=draw(st.sampled_from((None, -60.0, 0.0))),
            is_dated=draw(st.booleans()),
        )
        dealt[draw(st.integers(0, LOADS - 1))].append(statement)
    return dealt


def clock(draw, loads: list[list[Happening]]) -> list[float]:
    """Draw when each load arrives, and at last an instant at which only time has gone on.

    Close after events, so that a run meets silences that are open and have fallen due by the next.
    """
    known = [happening.at for load in loads for happening in load] or [0.0]
    instants = [
        draw(st.sampled_from(known)) + draw(st.sampled_from((0.0, 5.0, 13.0, 40.0))) for _ in loads
    ]
    return [*sorted(instants), max(instants) + draw(st.sampled_from((1.0, 20.0, 2000.0, 300000.0)))]


def differences(one: IncrementalLine, other: IncrementalLine) -> dict[str, tuple]:
    mine, theirs = one.tables(), other.tables()
    return {
        name: (
            [row for row in mine[name] if row not in theirs[name]],
            [row for row in theirs[name] if row not in mine[name]],
        )
        for name in mine
        if mine[name] != theirs[name]
    }


@pytest.mark.property
@settings(
    max_examples=10,
    deadline=None,
    # a run takes a second: shrinking a failure would take an hour
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_loads_in_any_order_give_what_one_full_refresh_gives(plain, narrowed, data):
    """Each example holds the histories of thirty browsers: 300 histories in ten examples."""
    loads = data.draw(deliveries())
    statements = data.draw(lists(loads))
    *arrivals, end = clock(data.draw, loads)
    line = IncrementalLine(plain, narrowed)
    for load, said, arrival in zip(loads, statements, arrivals, strict=True):
        line.load(load, arrival)
        line.load_statements(said, arrival)
        if data.draw(st.integers(0, 3)) == 0:
            with pytest.raises(Interrupted):
                line.run(arrival, killed_after=data.draw(st.integers(1, len(line.plain) - 1)))
        line.run(arrival)
    line.run(end)

    anew = IncrementalLine(plain, narrowed)
    for load, said, arrival in zip(loads, statements, arrivals, strict=True):
        anew.load(load, arrival)
        anew.load_statements(said, arrival)
    anew.run(end, full_refresh=True)

    assert differences(line, anew) == {}

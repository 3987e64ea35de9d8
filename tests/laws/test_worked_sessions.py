"""The worked cases of sessions, delivered in two parts with a run after each.

A1, A2, A3, A10 and A13 are unit tests of their models too. A11 lists the windows of time that a
package keeping a manifest of models would read; no window of time decides here what a run reads,
only what arrived since, so there is nothing that it could be a case of: A5, A7 and A14 hold in its
place that late and distant history is neither missed nor repeated.
"""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.harness import START, Happening
from tests.laws.incremental import IncrementalLine

LATER = "2026-01-20 00:00"


def at(text: str) -> float:
    """Return an instant in UTC as seconds after `START`."""
    return (datetime.fromisoformat(text).replace(tzinfo=UTC) - START).total_seconds()


def views(actor: str, *instants: str) -> list[Happening]:
    """Page views of one browser, named after the instants, each loaded when it happened."""
    return [
        Happening(at(text), "page_view", event_id=f"{actor} {text}", actor=actor)
        for text in instants
    ]


def late(happenings: list[Happening], text: str) -> list[Happening]:
    return [replace(happening, loaded_at=at(text)) for happening in happenings]


@dataclass(frozen=True)
class Case:
    """What arrives before the first run, and what before the second."""

    sooner: list[Happening]
    later: list[Happening] = field(default_factory=list)


A10 = Happening(
    at("2026-01-05 13:00"), "page_view", event_id="a10", actor="a10", page_url="https://x.example/1"
)

CASES = {
    "a1": Case(
        views(
            "a1",
            *("2026-01-05 13:00", "2026-01-05 13:10", "2026-01-05 13:50"),
            *("2026-01-05 14:10", "2026-01-05 14:25"),
        )
    ),
    "a2": Case(
        views("a2", "2026-01-05 23:30", "2026-01-05 23:50"),
        views("a2", "2026-01-06 00:05", "2026-01-06 00:10"),
    ),
    "a3": Case(
        [
            *views("a3 at the gap", "2026-01-05 13:00", "2026-01-05 13:30"),
            *views("a3 beyond it", "2026-01-05 13:00", "2026-01-05 13:30:00.001"),
        ]
    ),
    "a4": Case(views("a4", "2026-01-05 12:13:29"), views("a4", "2026-01-05 12:15:18")),
    "a5": Case(
        views("a5", "2026-01-05 10:00", "2026-01-05 10:50", "2026-01-05 15:00"),
        late(views("a5", "2026-01-05 10:25"), "2026-01-08 10:25"),
    ),
    "a6": Case(
        views("a6", "2026-01-05 10:00", "2026-01-05 10:20"),
        late(views("a6", "2026-01-05 09:40"), "2026-01-08 09:40"),
    ),
    "a7": Case(
        views("a7", "2021-01-01 13:00", "2021-01-01 13:10"), views("a7", "2021-06-01 15:00")
    ),
    "a10": Case(
        [replace(A10, page_url="https://x.example/2", loaded_at=at("2026-01-05 15:00"))],
        [replace(A10, loaded_at=at("2026-01-05 14:00"))],
    ),
}


@dataclass(frozen=True, repr=False)
class Played:
    """Both runs over all cases, and the tables that one full refresh makes of the same."""

    line: IncrementalLine
    before: dict[str, list[tuple[Any, ...]]]
    after: dict[str, list[tuple[Any, ...]]]
    anew: dict[str, list[tuple[Any, ...]]]


@pytest.fixture(scope="module")
def played(plain, narrowed) -> Played:
    line = IncrementalLine(plain, narrowed)
    line.load([each for case in CASES.values() for each in case.sooner])
    line.run(at(LATER))
    before = sessions(line)
    line.load([each for case in CASES.values() for each in case.later])
    line.run(at(LATER))
    return Played(line, before, sessions(line), refreshed(plain, narrowed))


def refreshed(plain, narrowed) -> dict[str, list[tuple[Any, ...]]]:
    anew = IncrementalLine(plain, narrowed)
    anew.load([each for case in CASES.values() for each in (*case.later, *case.sooner)])
    anew.run(at(LATER), full_refresh=True)
    return anew.tables()


def sessions(line: IncrementalLine) -> dict[str, list[tuple[Any, ...]]]:
    """Return (start, minutes, events, id) of every session of every actor."""
    rows = line.connection.execute(
        "select actor_id, strftime(started_at, '%Y-%m-%d %H:%M:%S'), "
        "epoch_ms(ended_at - started_at) / 60000.0, event_count, session_id "
        "from kairos.sessions order by started_at"
    ).fetchall()
    found: dict[str, list[tuple[Any, ...]]] = {}
    for actor, *rest in rows:
        found.setdefault(actor, []).append(tuple(rest))
    return found


def shapes(found: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return [row[:3] for row in found]


def new_ids(line: IncrementalLine, actor: str) -> dict[str, str | None]:
    """Return the new id of every id that is no longer used."""
    query = (
        "select old_session_id, new_session_id from kairos.session_id_changes where actor_id = ?"
    )
    return dict(line.connection.execute(query, [actor]).fetchall())


def test_a1_two_sessions_of_ten_and_thirty_five_minutes(played: Played) -> None:
    assert shapes(played.after["a1"]) == [
        ("2026-01-05 13:00:00", 10, 2),
        ("2026-01-05 13:50:00", 35, 3),
    ]


def test_a2_midnight_does_not_end_a_session(played: Played) -> None:
    assert shapes(played.after["a2"]) == [("2026-01-05 23:30:00", 40, 4)]


def test_a3_only_more_than_the_gap_begins_a_session(played: Played) -> None:
    assert shapes(played.after["a3 at the gap"]) == [("2026-01-05 13:00:00", 30, 2)]
    assert [row[2] for row in played.after["a3 beyond it"]] == [1, 1]


def test_a4_a_run_between_two_views_of_a_session_leaves_its_start(played: Played) -> None:
    [first] = played.before["a4"]
    [second] = played.after["a4"]
    assert shapes([first, second]) == [
        ("2026-01-05 12:13:29", 0, 1),
        ("2026-01-05 12:13:29", pytest.approx(109 / 60), 2),
    ]
    assert first[-1] == second[-1]


def test_a5_late_bridge(played: Played) -> None:
    first, second, third = played.before["a5"]
    assert shapes(played.after["a5"]) == [
        ("2026-01-05 10:00:00", 50, 3),
        ("2026-01-05 15:00:00", 0, 1),
    ]
    assert [row[-1] for row in played.after["a5"]] == [first[-1], third[-1]]
    assert new_ids(played.line, "a5") == {second[-1]: first[-1]}


def test_a6_late_prepend(played: Played) -> None:
    [before] = played.before["a6"]
    [after] = played.after["a6"]
    assert shapes([after]) == [("2026-01-05 09:40:00", 40, 3)]
    assert new_ids(played.line, "a6") == {before[-1]: after[-1]}


def test_a7_one_visitor_months_apart(played: Played) -> None:
    assert shapes(played.after["a7"]) == [
        ("2021-01-01 13:00:00", 10, 2),
        ("2021-06-01 15:00:00", 0, 1),
    ]
    assert played.after["a7"][0] == played.before["a7"][0]


def test_a10_one_event_id_with_two_payloads(played: Played) -> None:
    """The first to arrive wins, though a run had met the other one before."""
    execute = played.line.connection.execute
    accepted = execute("select page_url from kairos.page_views where actor_id = 'a10'").fetchall()
    rejected = execute(
        "select reason, json_extract_string(payload, '$.page_url') from kairos.events_rejected "
        "where event_id = 'a10'"
    ).fetchall()
    assert accepted == [("https://x.example/1",)]
    assert rejected == [("duplicate_with_other_payload", "https://x.example/2")]


def test_a14_the_two_parts_give_what_one_full_refresh_gives(played: Played) -> None:
    assert played.line.tables() == played.anew


@st.composite
def dealt(draw: st.DrawFn) -> list[list[Happening]]:
    """Deal the events of all cases into runs in any order, some of them twice."""
    loads: list[list[Happening]] = [[], [], []]
    for case in CASES.values():
        for happening in (*case.sooner, *case.later):
            loads[draw(st.integers(0, 2))].append(happening)
            if draw(st.integers(0, 3)) == 0:
                loads[draw(st.integers(0, 2))].append(happening)
    return [draw(st.permutations(load)) for load in loads]


@pytest.mark.property
@settings(
    max_examples=3,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(loads=dealt())
def test_a14_any_order_any_batches_and_repeats_give_the_same_tables(
    played: Played, plain, narrowed, loads: list[list[Happening]]
) -> None:
    line = IncrementalLine(plain, narrowed)
    for load in loads:
        line.load(load)
        line.run(at(LATER))
    assert truths(line.tables()) == truths(played.anew)


def truths(tables: dict[str, list[tuple[Any, ...]]]) -> dict[str, list[tuple[Any, ...]]]:
    """Return what follows from deliveries: one that is repeated is rejected, and counts nowhere."""
    return {
        name: [row for row, _ in groupby(rows) if "duplicate" not in row]
        for name, rows in tables.items()
        if name not in ("int_events_unioned", "int_events_named")
    }

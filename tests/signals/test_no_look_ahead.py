"""Law 2: cutting the stream at an instant leaves exactly what was true up to that instant."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.harness import Happening, Line, instant
from tests.signals.histories import GAPS_MS, depth, histories, spot
from warehouse.compiled import CompiledProject

LATER = 400_000.0
AT = {"signals": "detected_at", "intent_scores": "scored_at", "engagement_scores": "scored_at"}

CUTS = settings(
    max_examples=12, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)


@st.composite
def cuts(draw: st.DrawFn) -> tuple[list[Happening], float]:
    """Draw histories, and an instant at, or a threshold away from, one of their events."""
    happenings = draw(histories())
    if not happenings:
        return happenings, 0.0
    event = draw(st.sampled_from(happenings))
    away = draw(st.sampled_from((0, 1, *GAPS_MS, 172_800_000))) / 1000
    return happenings, event.at + away


def truths(line: Line, table: str, until: float) -> list[dict[str, Any]]:
    rows = line.rows(f"select * from kairos.{table}")
    return sorted(
        (row for row in rows if row[AT[table]] <= instant(until)),
        key=lambda row: [str(value) for value in row.values()],
    )


def look_ahead(line: Line, happenings: list[Happening], cut_at: float) -> list[tuple[Any, Any]]:
    """Return what is different when nothing after the cut has happened."""
    line.run(happenings, LATER)
    whole = {table: truths(line, table, cut_at) for table in AT}
    line.run([happening for happening in happenings if happening.at <= cut_at], cut_at)
    return [
        (table, [row for row in rows if row not in whole[table]], whole[table])
        for table in AT
        if (rows := truths(line, table, cut_at)) != whole[table]
    ]


@CUTS
@given(drawn=cuts())
def test_a_cut_leaves_what_was_true_up_to_it(
    line: Line, drawn: tuple[list[Happening], float]
) -> None:
    assert look_ahead(line, *drawn) == []


LOOKS_AHEAD = {
    # waits for the next event in place of the clock
    "int_signals_help_linger": (
        ("or ended_at is null", "or false"),
        [Happening(0, "help_tip_shown", {"tip_id": "t"}), Happening(60, "page_leave")],
        30,
    ),
    # takes the deepest scroll of the page, however late the tracker sent it
    "int_signals_shallow_scroll": (
        ("and page_exits.left_at >= session_events.event_at", ""),
        [
            Happening(0, "page_view"),
            Happening(1, "scroll", depth(0)),
            Happening(2, "page_leave"),
            Happening(3, "page_ping", depth(2000)),
        ],
        2,
    ),
    # what the page tells of its changes later on, it had not told before
    "int_signals_dead_click": (
        ("or first_dom_change_at > due_at", "or false"),
        [Happening(0, "click", spot(10)), Happening(60, "dom_changed")],
        30,
    ),
}


@pytest.mark.parametrize("model", LOOKS_AHEAD)
def test_a_model_that_looks_ahead_is_found_out(project: CompiledProject, model: str) -> None:
    replacement, happenings, cut_at = LOOKS_AHEAD[model]
    line = Line(project, list(AT))
    assert look_ahead(line, happenings, cut_at) == []
    line.replace_sql(model, *replacement)
    assert look_ahead(line, happenings, cut_at) != []

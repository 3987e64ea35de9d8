"""The intent score: F7 as a property, on the compiled models."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.harness import Line, instant
from warehouse.compiled import CompiledProject

COMPONENTS = ("deepest_seen_pct", "longest_silence_seconds", "secondary_click_count")

MEASUREMENTS = {
    "deepest_seen_pct": st.none() | st.floats(0, 100),
    "longest_silence_seconds": st.none() | st.floats(0, 1800),
    "secondary_click_count": st.integers(0, 20),
}
RISES = {
    "deepest_seen_pct": st.floats(0, 100),
    "longest_silence_seconds": st.floats(0, 100),
    "secondary_click_count": st.integers(0, 5),
}
PAIRS = st.lists(
    st.tuples(
        st.fixed_dictionaries(MEASUREMENTS),
        st.sampled_from(COMPONENTS),
        st.fixed_dictionaries(RISES),
    ),
    min_size=1,
    max_size=40,
)


@pytest.fixture(scope="module")
def scorer(project: CompiledProject) -> Line:
    """The models after what was measured, which each test fills in."""
    line = Line(project, ["intent_scores", "engagement_scores"])
    line.run([], 0)
    line.models = [
        model
        for model in line.models
        if model.name in ("int_score_components", "intent_scores", "engagement_scores")
    ]
    return line


def score(scorer: Line, measured: list[dict[str, Any]]) -> dict[str, float]:
    """Score sessions by what was measured, and return the intent scores by session."""
    scorer.connection.execute("truncate kairos.int_sessions_measured")
    for number, row in enumerate(measured):
        scorer.connection.execute(
            "insert into kairos.int_sessions_measured (session_id, scored_at, actor_id, user_key, "
            "deepest_seen_pct, longest_page_ratio, longest_silence_seconds, "
            "secondary_click_count, is_keyboard_only) "
            "values (?, ?, 'a', 'a', ?, 3, ?, ?, false)",
            [
                f"{number:03d}",
                instant(0),
                row["deepest_seen_pct"],
                row["longest_silence_seconds"],
                row["secondary_click_count"],
            ],
        )
    scorer.build(0)
    rows = scorer.rows("select session_id, score from kairos.intent_scores")
    return {row["session_id"]: row["score"] for row in rows}


@settings(max_examples=30, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(pairs=PAIRS)
def test_F7_the_score_never_falls_when_a_component_rises(scorer: Line, pairs: list) -> None:
    measured = []
    for base, component, rise in pairs:
        raised = dict(base)
        if raised[component] is not None:
            raised[component] += rise[component]
        measured += [base, raised]
    scores = score(scorer, measured)
    for number in range(0, len(measured), 2):
        assert scores[f"{number:03d}"] <= scores[f"{number + 1:03d}"]


def test_F7_a_component_that_counts_backwards_is_found_out(scorer: Line) -> None:
    models = scorer.models
    scorer.replace_sql(
        "intent_scores", "weight * component_score", "weight * (1 - component_score)"
    )
    base = {"deepest_seen_pct": 10.0, "longest_silence_seconds": 5.0, "secondary_click_count": 1}
    try:
        scores = score(scorer, [base, {**base, "longest_silence_seconds": 25.0}])
    finally:
        scorer.models = models
    assert scores["000"] > scores["001"]


def test_engagement_has_one_grade_for_whatever_was_measured(scorer: Line) -> None:
    """The shipped grades leave no gap and do not overlap."""
    grid = [
        {"deepest_seen_pct": seen, "longest_silence_seconds": 1.0, "secondary_click_count": clicks}
        for seen in (0.0, 49.999, 50.0, 89.999, 90.0, 100.0)
        for clicks in (0, 1, 2, 50)
    ]
    score(scorer, grid)
    rows = scorer.rows("select * from kairos.engagement_scores order by session_id")
    expected = [
        0.8
        if row["deepest_seen_pct"] < 50
        else 1.0
        if row["deepest_seen_pct"] >= 90 and row["secondary_click_count"] >= 2
        else 0.9
        for row in grid
    ]
    assert [row["score"] for row in rows] == expected

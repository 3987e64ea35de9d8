"""The models against the same rules written slowly, on random histories."""

import json
from typing import Any

from hypothesis import HealthCheck, given, settings

from tests.harness import START, Line
from tests.signals.histories import histories, named
from tests.signals.oracles import Found, cta_failures, pauses, rage_clicks

LATER = 400_000.0

SLOWLY = settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)


def found(rows: list[dict[str, Any]]) -> set[Found]:
    start = START.replace(tzinfo=None)
    return {
        Found(
            row["actor_id"],
            round((row["detected_at"] - start).total_seconds() * 1000),
            json.loads(row["evidence"])["last_event_id"],
            row["is_escalated"],
            row["is_applicable"],
        )
        for row in rows
    }


PAUSE_KINDS = named(
    *("click", "key_press", "pointer_move", "page_ping", "page_hidden", "page_visible"),
    *("video_started", "video_stopped", "something_unheard_of", "dom_changed", "page_view"),
)
CTA_KINDS = named("cta_click", "cta_click_failed", "cta_click_failed")
RAGE_KINDS = named("click", "click", "scroll", "text_selected", "page_view", "key_press")


@SLOWLY
@given(happenings=histories(PAUSE_KINDS, length=14))
def test_pauses_are_those_of_the_slow_rule(line: Line, happenings: list) -> None:
    rows = line.run(happenings, LATER).signals("session_pause")
    assert found(rows) == pauses(happenings, round(LATER * 1000))


@SLOWLY
@given(happenings=histories(CTA_KINDS, length=14))
def test_cta_failures_are_those_of_the_slow_rule(line: Line, happenings: list) -> None:
    assert found(line.run(happenings, LATER).signals("cta_failure")) == cta_failures(happenings)


@SLOWLY
@given(happenings=histories(RAGE_KINDS, length=20))
def test_rage_clicks_are_those_of_the_slow_rule(line: Line, happenings: list) -> None:
    rows = line.run(happenings, LATER).signals("rage_click")
    assert found([row for row in rows if row["is_applicable"]]) == rage_clicks(happenings)

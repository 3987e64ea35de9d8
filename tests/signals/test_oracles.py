"""The models against the same rules written slowly, on random histories."""

import json
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from tests.harness import START, Happening, Line
from tests.signals.histories import histories, named
from tests.signals.oracles import (
    Found,
    abandoned_forms,
    abandoned_setups,
    backtracks,
    cta_failures,
    dead_clicks,
    help_lingers,
    pauses,
    rage_clicks,
)

LATER = 400_000.0
MUCH_LATER = 10_000_000.0

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


ORACLES = {
    "dead_click": (
        dead_clicks,
        (0, 0.099, 0.1, 0.5, 1, 2.499, 2.5, 2000),
        named("click", "click", "dom_changed", "scroll", "text_selected", "page_view", "key_press"),
    ),
    "help_linger": (
        help_lingers,
        (0, 1, 5, 11.999, 12, 12.001, 2000),
        named(
            *("help_tip_shown", "help_tip_shown", "help_tip_dismissed", "scroll", "page_view"),
            *("click", "key_press", "page_hidden", "page_ping"),
        ),
    ),
    "rapid_backtrack": (
        backtracks,
        (0.001, 1, 2, 3, 6.999, 7),
        [*named("page_view") * 6, *named("key_press", "pointer_move", "click")],
    ),
    "form_abandoned": (
        abandoned_forms,
        (0, 1, 10, 900, 1799.999, 1800, 1800.001),
        named("form_started", "form_submitted", "page_view", "page_leave", "page_ping"),
    ),
    "setup_abandoned": (
        abandoned_setups,
        (0, 1, 600, 86_400, 172_799.999, 172_800),
        named("setup_started", "setup_completed", "page_view"),
    ),
}


def lives(signal: str, seed: int) -> list[Happening]:
    """Make up thirty lives of what matters to a signal, at the edges of its rule."""
    _, gaps, kinds = ORACLES[signal]
    dice = Random(f"{signal} {seed}")
    happenings = []
    for person in range(30):
        now, known_from = 0.0, dice.randint(0, 20)
        for number in range(14):
            now += dice.choice(gaps)
            happenings.append(
                replace(
                    dice.choice(kinds),
                    at=now,
                    event_id=f"{signal} {person:02d}-{number:02d}",
                    actor=f"{signal} {person:02d}",
                    user_id=f"{signal} user {person // 2}" if number >= known_from else None,
                )
            )
    return happenings


@pytest.mark.parametrize("seed", range(3))
def test_every_other_signal_is_that_of_its_slow_rule(line: Line, seed: int) -> None:
    by_signal = {signal: lives(signal, seed) for signal in ORACLES}
    line.run([happening for each in by_signal.values() for happening in each], MUCH_LATER)
    for signal, (oracle, _, _) in ORACLES.items():
        rows = [row for row in line.signals(signal) if row["actor_id"].startswith(signal)]
        expected = oracle(by_signal[signal])
        assert len(expected) >= 5, signal
        assert (signal, found(rows)) == (signal, expected)

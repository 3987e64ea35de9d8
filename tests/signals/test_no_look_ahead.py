"""Law 2: cutting the stream at an instant leaves exactly what was true up to that instant."""

from dataclasses import dataclass
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.harness import Happening, Line, Statement, instant, text
from tests.signals.histories import GAPS_MS, KINDS, depth, lives, named, spot
from warehouse.compiled import CompiledProject

LATER = 400_000.0
AT = {"signals": "detected_at", "intent_scores": "scored_at", "engagement_scores": "scored_at"}

# one after the other: a smaller seed is no smaller history
ROLLS = settings(
    max_examples=6,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)

TAILORED = """
    insert into kairos.experiments (experiment, hash_seed, unit, is_enabled)
    values ('halves', 'seed', 'user', true);
    insert into kairos.experiment_arms (experiment, arm, bucket_from, bucket_to)
    values ('halves', 'sooner', 0, 0.4), ('halves', 'later', 0.6, 1);
    insert into kairos.signal_thresholds
    select * replace ('business' as segment, threshold / 2 as threshold, 'business' as version)
    from kairos.signal_thresholds where segment = '*' and experiment is null;
    insert into kairos.signal_thresholds
    select * replace (
        'self_serve' as segment, threshold * 1.5 as threshold, 'launch' as version,
        timestamp '2026-01-05 09:00:20' as valid_from, timestamp '2026-01-05 09:10:00' as valid_to
    )
    from kairos.signal_thresholds where segment = '*' and experiment is null;
    insert into kairos.signal_thresholds
    select * replace (
        'halves' as experiment, arms.arm as arm, arms.arm as version,
        threshold * case arms.arm when 'sooner' then 0.5 else 2 end as threshold
    )
    from kairos.signal_thresholds, (values ('sooner'), ('later')) as arms (arm)
    where segment = '*' and experiment is null and signal_name in (
        'session_pause', 'cta_failure', 'rage_click', 'dead_click', 'setup_abandoned'
    );
"""
"""Thresholds of a segment, of a segment for ten minutes, and of two arms with people between."""

SEGMENTS = (None, "business", "self_serve")
SIGN_UPS = (None, -3600.0, 0.0, 30.0)
"""Seconds after the start; some of them lie after what people did meanwhile."""

IDENTIFIES = tuple(
    Happening(0, "identify", {"traits": traits})
    for traits in (
        {"segment": "business"},
        {"segment": "self_serve", "signed_up_at": text(-60)},
        {"signed_up_at": text(10)},
    )
)
TOLD_KINDS = (*KINDS, *IDENTIFIES, *IDENTIFIES, *named("team_invited", "sign_up") * 2)


@dataclass(frozen=True)
class Past:
    """What was done, and what was said of those who did it."""

    happenings: list[Happening]
    statements: list[Statement]

    def until(self, cut_at: float) -> "Past":
        """Return what was there at an instant."""
        return Past(
            [each for each in self.happenings if each.at <= cut_at],
            [each for each in self.statements if each.at <= cut_at],
        )


def past(dice: Random) -> Past:
    """Roll the lives of forty people, and what was said of most of them, before, amid or after."""
    happenings = lives(dice, TOLD_KINDS)
    people = sorted({each.user_id for each in happenings if each.user_id})
    statements = [
        Statement(
            dice.choice(happenings).at + dice.choice((-12, 0, 0.001, 5, 600)),
            dice.choice(people),
            dice.choice(SEGMENTS),
            dice.choice(SIGN_UPS),
            is_dated=dice.random() < 0.7,
        )
        for _ in range(60)
    ]
    return Past(happenings, statements)


def cuts(dice: Random, of: Past) -> list[float]:
    """Roll instants at, or a threshold away from, something in a past."""
    instants = [each.at for each in (*of.happenings, *of.statements)]
    away = (*[0] * 10, *GAPS_MS, 172_800_000)
    return [dice.choice(instants) + dice.choice(away) / 1000 for _ in range(3)]


def tailored(project: CompiledProject) -> Line:
    """Return a line in which thresholds depend on who somebody is known to be."""
    line = Line(project, list(AT))
    line.connection.execute(TAILORED)
    return line


@pytest.fixture(scope="module")
def own_thresholds(project: CompiledProject) -> Line:
    return tailored(project)


def truths(line: Line, table: str, until: float) -> list[dict[str, Any]]:
    rows = line.rows(f"select * from kairos.{table}")
    return sorted(
        (row for row in rows if row[AT[table]] <= instant(until)),
        key=lambda row: [str(value) for value in row.values()],
    )


def look_ahead(line: Line, past: Past, *cuts: float) -> list[tuple[Any, ...]]:
    """Return what is different when nothing after a cut has happened, or been said."""
    line.run(past.happenings, LATER, past.statements)
    whole = {(cut, table): truths(line, table, cut) for cut in cuts for table in AT}
    differences = []
    for cut in cuts:
        until = past.until(cut)
        line.run(until.happenings, cut, until.statements)
        differences += [
            (cut, table, [row for row in rows if row not in whole[cut, table]], whole[cut, table])
            for table in AT
            if (rows := truths(line, table, cut)) != whole[cut, table]
        ]
    return differences


@ROLLS
@given(dice=st.randoms(use_true_random=True))
def test_a_cut_leaves_what_was_true_up_to_it(own_thresholds: Line, dice: Random) -> None:
    said_and_done = past(dice)
    assert look_ahead(own_thresholds, said_and_done, *cuts(dice, said_and_done)) == []


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
    # fills in a sign-up that a list tells of later
    "int_signals_milestone_reached": (
        ("milestones.event_at >= user_sign_ups.effective_from", "true"),
        [Happening(0, "team_invited", user_id="u0"), Statement(60, "u0", signed_up=-60)],
        30,
    ),
    # judges what somebody did by the segment that they are put into later
    "int_signals_hover_dwell": (
        ("occurrences.event_at >= user_segments.effective_from", "true"),
        [
            Happening(0, "hover", {"element_id": "go", "duration_ms": 1500}, user_id="u0"),
            Statement(60, "u0", segment="business"),
        ],
        30,
    ),
    # puts somebody into an arm before anybody knew who it was
    "session_events": (
        ("and events.event_at >= identities.known_from", ""),
        [Happening(0, "click"), Happening(60, "click", user_id="ann")],
        30,
    ),
}


@pytest.mark.parametrize("model", LOOKS_AHEAD)
def test_a_model_that_looks_ahead_is_found_out(project: CompiledProject, model: str) -> None:
    replacement, said_and_done, cut_at = LOOKS_AHEAD[model]
    past = Past(
        [each for each in said_and_done if isinstance(each, Happening)],
        [each for each in said_and_done if isinstance(each, Statement)],
    )
    line = tailored(project)
    assert look_ahead(line, past, cut_at) == []
    line.replace_sql(model, *replacement)
    assert look_ahead(line, past, cut_at) != []

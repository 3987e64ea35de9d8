"""The models against the same rules written slowly, on random histories."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from random import Random
from typing import Any

import pytest

from tests.harness import START, Happening, Line, Statement, text
from tests.signals.histories import PAGES, gap_to, named, spot
from tests.signals.oracles import (
    Verdict,
    abandoned_forms,
    abandoned_setups,
    backtracks,
    cta_failures,
    dead_clicks,
    help_lingers,
    hovers,
    is_by_pointer,
    milestones,
    pauses,
    people,
    rage_clicks,
    shallow_scrolls,
    skips,
)

MUCH_LATER = 10_000_000.0
PEOPLE = 120
SEEDS = range(2)
OFTEN = 10
"""How many times at least every answer of an oracle is given in the lives of one seed."""


@dataclass(frozen=True)
class Rule:
    """The slow form of a signal, all that it may say, and what the lives are made of."""

    oracle: Callable[[list[Happening]], Iterator[Verdict]]
    answers: set[str]
    gaps: tuple[float, ...]
    kinds: list[Happening]
    length: int = 24


def page_view(page: str, doc_height: int = 3000, **more: object) -> Happening:
    measured = {"doc_height": doc_height, "viewport_height": 800, **more}
    return Happening(0, "page_view", measured, page_url=PAGES[page])


def ping(doc_height: int, offset: int) -> Happening:
    measured = {"doc_height": doc_height, "viewport_height": 800, "scroll_offset_max": offset}
    return Happening(0, "page_ping", measured)


def hover(duration_ms: int, device: str = "desktop", **more: object) -> Happening:
    about = {"element_id": "go", "duration_ms": duration_ms, **more}
    return Happening(0, "hover", about, device_type=device)


def click(**more: object) -> Happening:
    return Happening(0, "click", {**spot(10), **more})


def cta(name: str, which: str = "go") -> Happening:
    return Happening(0, name, {"cta_id": which})


def identify(signed_up: float) -> Happening:
    about = {"signed_up": signed_up, "traits": {"signed_up_at": text(signed_up)}}
    return Happening(0, "identify", about)


def is_said(signed_up: float, is_dated: bool = True) -> Happening:
    """A list says it; see `statements`."""
    return Happening(0, "is_said", {"signed_up": signed_up, "is_dated": is_dated})


def form(name: str, which: str = "f") -> Happening:
    return Happening(0, name, {"form_id": which})


RULES = {
    "session_pause": Rule(
        pauses,
        {
            *("yes, ended", "yes, open", "yes, at the edge", "keyboard_only", "no: short"),
            *("yes, escalated, as it ended", "yes, escalated, by a heartbeat"),
            "keyboard_only, escalated",
        },
        (0, 1, 5, 11.999, 12, 12.001, 18.001, 29.999, 30, 30.001, 2000),
        [
            *named("click", "key_press", "pointer_move", "page_ping", "page_hidden"),
            *named("page_visible", "video_started", "video_stopped", "something_unheard_of"),
            *named("dom_changed", "page_view", "page_leave", "help_tip_shown"),
            *named("page_ping") * 2,
        ],
    ),
    "cta_failure": Rule(
        cta_failures,
        {"yes", "yes, escalated", "no: a burst", "no: another attempt"},
        (*(0, 0.5, 0.999, 1, 1.001, 5) * 4, 2000),
        [
            *[cta("cta_click_failed")] * 2,
            *[cta("cta_impression")] * 20,
            *[cta("cta_click"), cta("cta_click_failed", "stop"), cta("cta_click", "stop")],
            *named("key_press", "pointer_move"),
        ],
        length=80,
    ),
    "rage_click": Rule(
        rage_clicks,
        {"yes", "keyboard_only", "no_pointer_position", "no: a stepper", "no: another click"},
        (*(0, 0.001, 0.1, 0.25, 0.5, 0.999, 1) * 2, 2000),
        [
            *[click()] * 6,
            *(
                click(viewport_scale=2),
                click(viewport_scale=2, x=24),
                click(viewport_scale=2, x=25),
            ),
            *named("click", "scroll", "text_selected", "page_view", "key_press"),
        ],
    ),
    "dead_click": Rule(
        dead_clicks,
        {
            *("yes", "keyboard_only", "no_page_activity_instrumentation", "no: a burst"),
            *("no: answered", "no: a gesture", "no: told before"),
        },
        (*(0, 0.099, 0.1, 0.5, 1, 1.001, 2.499, 2.5) * 2, 2000),
        named("click", "dom_changed", "scroll", "text_selected", "page_view", "key_press"),
    ),
    "hover_dwell": Rule(
        hovers,
        {
            *("yes", "yes, at the edge", "touch_only", "keyboard_only"),
            *("no_pointer_instrumentation", "no: short", "no: clicked", "no: observed, page left"),
        },
        (*(0, 0.5, 1.999, 2, 2.001, 3) * 2, 2000),
        [
            *(hover(2000), hover(1999), hover(2001), hover(2500, element_id="stop"), hover(4000)),
            *(hover(3000, "mobile"), hover(1500, "mobile"), hover(3000, pointer_type="touch")),
            *(hover(3000, "tablet", pointer_type="mouse"), click(), click(element_id="stop")),
            *(click(detail=0), page_view("a"), page_view("b")),
            *(replace(page_view("c"), device_type="mobile"), cta("cta_click")),
            *named("key_press", "pointer_move", "page_leave", "page_ping"),
        ],
    ),
    "shallow_scroll": Rule(
        shallow_scrolls,
        {
            *("yes, page_view", "yes, page_leave", "yes, at the edge", "yes, escalated"),
            *("no: seen, page_view", "no: seen, page_leave", "no: seen, at the edge"),
            *("keyboard_only", "short_page", "no_scroll_instrumentation"),
        },
        (*(0, 1, 10) * 4, 2000),
        [
            *[page_view("a"), page_view("b"), page_view("c", scroll_offset_max=0)] * 2,
            *[page_view("a", 2000), page_view("b", 2001), page_view("c", 8000)] * 2,
            *(ping(3000, 0), ping(3000, 399), ping(3000, 400), ping(3000, 401)),
            *[ping(8000, 0), ping(8000, 399), ping(8000, 400)] * 2,
            *(ping(8000, 2399), ping(8000, 2400), ping(3000, -60), ping(3000, 9000)),
            *[ping(2000, 0), ping(2000, 100)] * 3,
            ping(2001, 0),
            *named("key_press", "pointer_move", "page_leave") * 2,
        ],
        length=40,
    ),
    "skip_reenter_pause": Rule(
        skips,
        {
            *("yes, refused", "yes, not clicked", "keyboard_only", "no_cta_instrumentation"),
            *("no: no pause", "no: first time", "no: not passed over"),
        },
        (*(0, 1, 5, 11.999, 12, 12.001, 40) * 2, 2000),
        [
            *[page_view("a"), page_view("b")] * 4,
            *[cta("cta_impression")] * 4,
            *(cta("cta_impression", "stop"), cta("cta_click", "stop")),
            *(cta("cta_skipped"), cta("cta_click"), cta("cta_click_failed")),
            *named("page_hidden", "page_visible", "key_press", "pointer_move", "video_started"),
            *named("page_leave", "page_ping", "video_stopped"),
        ],
    ),
    "help_linger": Rule(
        help_lingers,
        {"yes", "keyboard_only", "no_scroll_instrumentation", "no: short"},
        (*(0, 1, 5, 11.999, 12, 12.001) * 2, 2000),
        named(
            *("help_tip_shown", "help_tip_dismissed", "scroll", "page_view"),
            *("click", "key_press", "page_hidden", "page_ping"),
        ),
    ),
    "rapid_backtrack": Rule(
        backtracks,
        {"yes", "keyboard_only", "no: no return", "no: busy", "no: slow", "no: once"},
        (0.001, 1, 2, 3, 6.999, 7),
        [
            *named("page_view") * 6,
            *named("key_press") * 3,
            *named("pointer_move", "click", "scroll"),
        ],
    ),
    "form_abandoned": Rule(
        abandoned_forms,
        {
            *("yes, page left", "yes, time up", "no: sent, page left", "no: sent, time up"),
            *("no: the same attempt, page left", "no: the same attempt, time up"),
        },
        (0, 0, 0, 1, 10, 900, 1799.999, 1800, 1800.001),
        [
            *(form("form_started"), form("form_submitted"), form("form_submitted", "g")),
            *named("form_started", "page_view", "page_leave", "page_ping"),
        ],
    ),
    "milestone_reached": Rule(
        milestones,
        {"yes, said", "yes, seen", "sign_up_unknown"},
        (0, 0.001, 1, 10, 60, 3600, 100_000),
        [
            *named("team_invited") * 5,
            *(Happening(0, "onboarding_completed"), *named("sign_up") * 2),
            *[identify(-60), identify(0), is_said(-30), is_said(20), is_said(200_000)],
            *[is_said(5, is_dated=False), Happening(0, "click")],
        ],
    ),
    "setup_abandoned": Rule(
        abandoned_setups,
        {"yes", "no: resumed", "no: completed"},
        (0, 1, 600, 86_400, 172_799.999, 172_800),
        named("setup_started", "setup_completed", "page_view"),
    ),
}


@cache
def lives(signal: str, seed: int) -> list[Happening]:
    """Make up the lives of many people: what matters to a signal, at the edges of its rule.

    Each person does some things and not others, some by the keyboard alone. Some trackers name the
    page view of every event; they may repeat a page_view, and send word of a page late.
    """
    rule = RULES[signal]
    dice = Random(f"{signal} {seed}")
    happenings = []
    for person in range(PEOPLE):
        actor, now, known_from = f"{signal} {person:02d}", 0.0, dice.randint(0, 20)
        is_naming, is_keyboard = dice.random() < 0.4, dice.random() < 0.25
        share = dice.choice((0.3, 0.6, 0.9))
        kinds = [kind for kind in rule.kinds if dice.random() < share]
        kinds = [kind for kind in kinds if not (is_keyboard and is_by_pointer(kind))] or rule.kinds
        page = page_before = (PAGES["a"], "")
        for number in range(rule.length):
            now += gap_to(person, number, dice.choice(rule.gaps))
            kind = dice.choice(kinds)
            if kind.event_name == "page_view" and (dice.random() < 0.8 or not page[1]):
                page_before, page = page, (kind.page_url, f"{actor} page {number}")
            is_late = kind.event_name in ("page_ping", "page_leave") and dice.random() < 0.2
            page_url, page_view_id = page_before if is_naming and is_late else page
            name = {"page_view_id": page_view_id} if is_naming and page_view_id else {}
            happenings.append(
                replace(
                    kind,
                    at=now,
                    page_url=page_url,
                    properties={**kind.properties, **name},
                    event_id=f"{actor}-{number:02d}",
                    actor=actor,
                    # none at once with another
                    loaded_at=now + (person * 1000 + number) / 1000,
                    user_id=f"{signal} user {person // 2}" if number >= known_from else None,
                )
            )
    return happenings


def statements(happenings: list[Happening]) -> list[Statement]:
    """What lists say of people among what they do."""
    return [
        Statement(
            each.at,
            each.user_id,
            signed_up=each.properties["signed_up"],
            is_dated=each.properties["is_dated"],
            loaded_at=each.loaded_at,
        )
        for each in happenings
        if each.event_name == "is_said" and each.user_id
    ]


@cache
def answers(signal: str, seed: int) -> list[Verdict]:
    return list(RULES[signal].oracle(lives(signal, seed)))


def answer(verdict: Verdict) -> str:
    """All that is told apart: of what nobody can tell, only why."""
    escalated = "escalated" if verdict.is_escalated else ""
    is_judged = verdict.says == "yes" or verdict.says.startswith("no: ")
    how = verdict.how if is_judged else ""
    return ", ".join(filter(None, (verdict.says, escalated, how)))


def told(
    verdicts: Iterable[Verdict], person: Callable[[str, int], str]
) -> Counter[tuple[str, Verdict]]:
    """What is told of whom: no noes, and no value where nobody can tell."""
    return Counter(
        (
            person(each.actor, each.at_ms),
            each if each.says == "yes" else replace(each, value=None),
        )
        for each in verdicts
        if not each.says.startswith("no: ")
    )


def found(rows: list[dict[str, Any]]) -> Counter[tuple[str, Verdict]]:
    start = START.replace(tzinfo=None)
    return Counter(
        (
            row["user_key"],
            Verdict(
                row["actor_id"],
                round((row["detected_at"] - start).total_seconds() * 1000),
                json.loads(row["evidence"]).get("last_event_id", row["page_url"]),
                "yes" if row["is_applicable"] else row["not_applicable_reason"],
                row["value"],
                row["threshold"],
                row["is_escalated"],
            ),
        )
        for row in rows
    )


def compare(line: Line, seed: int) -> None:
    """Fail where a signal is not that of its slow rule, or the lives do not try all of a rule."""
    by_signal = {signal: lives(signal, seed) for signal in RULES}
    happenings = [happening for each in by_signal.values() for happening in each]
    done = [happening for happening in happenings if happening.event_name != "is_said"]
    line.run(done, MUCH_LATER, statements(happenings))
    for signal, rule in RULES.items():
        rows = [row for row in line.signals(signal) if row["actor_id"].startswith(signal)]
        verdicts = answers(signal, seed)
        given = Counter(answer(each) for each in verdicts)
        assert (signal, set(given)) == (signal, rule.answers)
        assert min(given.values()) >= OFTEN, (signal, given)
        assert (signal, found(rows)) == (signal, told(verdicts, people(by_signal[signal])))


@pytest.mark.parametrize("seed", SEEDS)
def test_every_signal_is_that_of_its_slow_rule(line: Line, seed: int) -> None:
    compare(line, seed)

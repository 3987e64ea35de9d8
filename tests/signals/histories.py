"""Random small histories: many people at once, for a run costs the same for one and for thirty."""

from collections.abc import Sequence
from dataclasses import replace
from random import Random

from hypothesis import strategies as st

from tests.harness import SESSION_LIMIT, Happening

PAGES = {name: f"https://app.example.com/{name}" for name in "abc"}

# around every threshold: clicks, answers, reflexes, pauses, pages between, forms, sessions
GAPS_MS = (
    *(0, 1, 40, 99, 100, 250, 500, 999, 1000, 1500, 2499, 2500, 3000),
    *(5000, 6999, 7000, 10_000, 11_999, 12_000, 12_001, 18_001, 20_000),
    *(29_999, 30_000, 30_001, 60_000, 600_000, 1_799_999, 1_800_000, 1_800_001),
)


def spot(x: int, y: int = 10, **more: object) -> dict[str, object]:
    return {"x": x, "y": y, "detail": 1, "element_id": "go", **more}


def depth(offset: int) -> dict[str, object]:
    return {"scroll_offset_max": offset, "doc_height": 3000, "viewport_height": 800}


KINDS: tuple[Happening, ...] = (
    *(
        Happening(0, "page_view", {"doc_height": 3000, "viewport_height": 800}, page_url=url)
        for url in PAGES.values()
    ),
    Happening(0, "page_view"),
    Happening(0, "click", spot(10)),
    Happening(0, "click", spot(10)),
    Happening(0, "click", spot(39)),
    Happening(0, "click", spot(40)),
    Happening(0, "click", spot(10, element_kind="stepper")),
    Happening(0, "click", spot(10, viewport_scale=2)),
    Happening(0, "click", {"x": 0, "y": 0, "detail": 0}),
    Happening(0, "click"),
    Happening(0, "key_press"),
    Happening(0, "pointer_move"),
    Happening(0, "scroll", depth(0)),
    Happening(0, "scroll", depth(2000)),
    Happening(0, "text_selected"),
    Happening(0, "dom_changed"),
    Happening(0, "page_ping", depth(100)),
    Happening(0, "page_hidden"),
    Happening(0, "page_visible"),
    Happening(0, "page_leave"),
    Happening(0, "video_started"),
    Happening(0, "video_stopped"),
    Happening(0, "hover", {"element_id": "go", "duration_ms": 2000}),
    Happening(0, "hover", {"element_id": "go", "duration_ms": 2500}, device_type="mobile"),
    Happening(0, "cta_impression", {"cta_id": "go"}),
    Happening(0, "cta_skipped", {"cta_id": "go"}),
    Happening(0, "cta_click", {"cta_id": "go"}),
    Happening(0, "cta_click_failed", {"cta_id": "go"}),
    Happening(0, "cta_click_failed", {"cta_id": "go"}),
    Happening(0, "form_started", {"form_id": "f"}),
    Happening(0, "form_submitted", {"form_id": "f"}),
    Happening(0, "setup_started", {"setup_id": "s"}),
    Happening(0, "setup_completed", {"setup_id": "s"}),
    Happening(0, "help_tip_shown", {"tip_id": "t"}),
    Happening(0, "help_tip_dismissed", {"tip_id": "t"}),
    Happening(0, "team_invited"),
    Happening(0, "sign_up"),
    Happening(0, "something_unheard_of"),
)
TWO_DAYS_MS = 172_800_000


def named(*names: str) -> list[Happening]:
    """The kinds of these names, to make what rarely meets by chance meet often."""
    return [kind for kind in KINDS if kind.event_name in names]


@st.composite
def histories(
    draw: st.DrawFn,
    kinds: Sequence[Happening] = KINDS,
    people: int = 25,
    length: int = 16,
    is_known: bool = True,
) -> list[Happening]:
    """Draw the events of up to `people` people, each in order and with ids in that order."""
    step = st.tuples(st.sampled_from(GAPS_MS), st.sampled_from(list(kinds)))
    lives = draw(st.lists(st.lists(step, min_size=1, max_size=length), max_size=people))
    happenings = []
    for person, life in enumerate(lives):
        now_ms = 0
        known_from = draw(st.integers(0, 2 * length)) if is_known else 2 * length
        for number, (gap_ms, kind) in enumerate(life):
            now_ms += gap_ms
            happenings.append(
                replace(
                    kind,
                    at=now_ms / 1000,
                    event_id=f"p{person:02d}-{number:03d}",
                    actor=f"p{person:02d}",
                    user_id=f"u{person // 2}" if number >= known_from else None,
                )
            )
    return happenings


def gap_to(person: int, number: int, rolled: float) -> float:
    """Every third person comes within a second of a session's limit with their fourth event."""
    return SESSION_LIMIT // 3 if person % 3 == 0 and number in (1, 2, 3) else rolled


def lives(
    dice: Random, kinds: Sequence[Happening] = KINDS, people: int = 40, length: int = 16
) -> list[Happening]:
    """Roll as many long lives: fuller than drawn ones, and no smaller when one fails."""
    happenings = []
    for person in range(people):
        now_ms, known_from = 0, dice.randint(0, length + length // 2)
        for number in range(length):
            now_ms += round(gap_to(person, number, dice.choice(GAPS_MS) / 1000) * 1000)
            happenings.append(
                replace(
                    dice.choice(kinds),
                    at=now_ms / 1000,
                    event_id=f"p{person:02d}-{number:03d}",
                    actor=f"p{person:02d}",
                    user_id=f"u{person // 2}" if number >= known_from else None,
                )
            )
    return happenings

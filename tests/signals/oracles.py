"""The rules once more, slowly and plainly: one event after the other, session by session."""

from collections.abc import Iterator
from dataclasses import dataclass

from tests.harness import Happening

SILENT = {"page_ping", "page_leave", "page_hidden", "page_visible", "cta_impression"} | {
    *("help_tip_shown", "dom_changed", "something_unheard_of", "load_wait", "identify"),
}
VISIBILITY = {"page_leave", "page_hidden", "page_visible"}
POINTERS = {"pointer_move", "pointer_down", "hover", "text_selected", "click"}


@dataclass(frozen=True, order=True)
class Found:
    """What a model found: where, when, and whether it could be judged."""

    actor: str
    at_ms: int
    about: str
    is_escalated: bool = False
    is_applicable: bool = True


def milliseconds(happening: Happening) -> int:
    return round(happening.at * 1000)


def sessions(happenings: list[Happening]) -> Iterator[list[Happening]]:
    """Split at silences of more than 1,800 s; histories here are shorter than a day."""
    by_actor: dict[str, list[Happening]] = {}
    for happening in happenings:
        by_actor.setdefault(happening.actor, []).append(happening)
    for events in by_actor.values():
        session: list[Happening] = []
        for event in sorted(events, key=lambda e: (milliseconds(e), e.event_id)):
            if session and milliseconds(event) - milliseconds(session[-1]) > 1_800_000:
                yield session
                session = []
            session.append(event)
        yield session


def is_by_keyboard(event: Happening) -> bool:
    return event.event_name == "key_press" or (
        event.event_name == "click" and event.properties.get("detail") == 0
    )


def is_keyboard_only(so_far: list[Happening]) -> bool:
    keys = [event for event in so_far if is_by_keyboard(event)]
    pointers = [
        event for event in so_far if event.event_name in POINTERS and not is_by_keyboard(event)
    ]
    return bool(keys) and not pointers


def pauses(happenings: list[Happening], as_of_ms: int) -> set[Found]:
    """12 s after an interaction on a visible page without media; again after 30 s, with proof."""
    found = set()
    for session in sessions(happenings):
        playing = 0
        for place, event in enumerate(session):
            playing += (event.event_name == "video_started") - (event.event_name == "video_stopped")
            if event.event_name in SILENT or playing > 0:
                continue
            start, end, beats = milliseconds(event), None, []
            in_order = sorted(session, key=lambda e: (milliseconds(e), rank(e), e.event_id))
            for later in in_order[in_order.index(event) + 1 :]:
                is_break = later.event_name not in SILENT or later.event_name in VISIBILITY
                if is_break or later.event_name == "something_unheard_of":
                    end = milliseconds(later)
                    break
            for other in session:
                at = milliseconds(other)
                if other.event_name == "page_ping" and at > start and (end is None or at <= end):
                    beats.append(at)
            applies = not is_keyboard_only(session[: place + 1])
            if end is None or end - start >= 12_000:
                found.add(Found(event.actor, start + 12_000, event.event_id, False, applies))
                proofs = [at for at in (*beats, end) if at is not None and at - start > 30_000]
                if proofs:
                    found.add(Found(event.actor, min(proofs), event.event_id, True, applies))
    return {row for row in found if row.at_ms <= as_of_ms}


def rank(event: Happening) -> int:
    """Of one instant: what shows a page, what is done on it, what hides it, the next page."""
    return {"page_visible": 0, "page_hidden": 2, "page_leave": 2, "page_view": 3}.get(
        event.event_name, 1
    )


def cta_failures(happenings: list[Happening]) -> set[Found]:
    """The third attempt that failed since the last that worked; a burst is one attempt."""
    found = set()
    for session in sessions(happenings):
        attempts, last_failure_ms = 0, None
        for event in session:
            at = milliseconds(event)
            if event.event_name == "cta_click":
                attempts = 0
            if event.event_name == "cta_click_failed":
                if last_failure_ms is None or at - last_failure_ms >= 1000:
                    attempts += 1
                    if attempts == 3:
                        found.add(Found(event.actor, at, event.event_id))
                last_failure_ms = at
    return found


def rage_clicks(happenings: list[Happening]) -> set[Found]:
    """The third click of a chain, as a browser library would count it while it happens."""
    found = set()
    for session in sessions(happenings):
        chain: list[Happening] = []
        page = None
        # what scrolls or selects at the instant of a click came with it
        in_order = sorted(
            session, key=lambda e: (milliseconds(e), e.event_name == "click", e.event_id)
        )
        pages = page_of_each(session)
        for event in in_order:
            if event.event_name in ("scroll", "text_selected"):
                chain = []
            if event.event_name != "click" or is_by_keyboard(event) or "x" not in event.properties:
                continue
            if event.properties.get("element_kind") == "stepper":
                continue
            last = chain[-1] if chain else None
            is_near = last is not None and continues(last, event, page, pages[event.event_id])
            chain = [*chain, event] if is_near else [event]
            page = pages[event.event_id]
            if len(chain) == 3:
                found.add(Found(event.actor, milliseconds(event), event.event_id))
    return found


def page_of_each(session: list[Happening]) -> dict[str, str | None]:
    """On which page view each event happened: the latest at or before its instant."""
    pages = {}
    for event in session:
        views = [
            view
            for view in session
            if view.event_name == "page_view" and milliseconds(view) <= milliseconds(event)
        ]
        pages[event.event_id] = views[-1].event_id if views else None
    return pages


def continues(last: Happening, click: Happening, page: str | None, own: str | None) -> bool:
    scale = click.properties.get("viewport_scale", 1)
    distance = sum(abs(click.properties[axis] - last.properties[axis]) for axis in ("x", "y"))
    return (
        milliseconds(click) - milliseconds(last) < 1000
        and distance * scale < 30
        and scale == last.properties.get("viewport_scale", 1)
        and (page is None or own is None or page == own)
    )

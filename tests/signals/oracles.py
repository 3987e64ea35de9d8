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


def ordered(session: list[Happening]) -> list[Happening]:
    return sorted(session, key=lambda e: (milliseconds(e), e.event_id))


def dead_clicks(happenings: list[Happening]) -> set[Found]:
    """2.5 s without the page's answer or a gesture at once; if unsure, once a session."""
    found = set()
    for session in sessions(happenings):
        judged: list[Happening] = []
        is_told: set[str] = set()
        changes = [milliseconds(e) for e in session if e.event_name == "dom_changed"]
        for place, event in enumerate(session):
            if event.event_name != "click":
                continue
            is_keyboard = is_keyboard_only(session[: place + 1])
            if is_by_keyboard(event) and not is_keyboard:
                continue
            at, element = milliseconds(event), event.properties.get("element_id")
            before = [e for e in judged if element and e.properties.get("element_id") == element]
            judged.append(event)
            if before and at - milliseconds(before[-1]) < 1000:
                continue
            later = [e for e in session if milliseconds(e) >= at]
            answers = [milliseconds(e) for e in later if e.event_name in ANSWERS]
            gestures = [milliseconds(e) for e in later if e.event_name in GESTURES]
            if any(answer < at + 2500 for answer in answers):
                continue
            if any(gesture < at + 100 for gesture in gestures):
                continue
            is_telling = any(change <= at + 2500 for change in changes)
            doubt = "keys" if is_keyboard else "" if is_telling else "untold"
            if doubt and doubt in is_told:
                continue
            is_told.add(doubt)
            found.add(Found(event.actor, at + 2500, event.event_id, is_applicable=not doubt))
    return found


ANSWERS = {"dom_changed", "page_view", "page_leave", "something_unheard_of"}
GESTURES = {"scroll", "text_selected"}


def help_lingers(happenings: list[Happening]) -> set[Found]:
    """12 s after a tip was shown, if nothing moved the page, hid it, or took the tip away."""
    found = set()
    for session in sessions(happenings):
        for place, event in enumerate(session):
            if event.event_name != "help_tip_shown":
                continue
            due = milliseconds(event) + 12_000
            later = [e for e in session[place + 1 :] if e.event_name in TIP_ENDS]
            if later and milliseconds(later[0]) < due:
                continue
            so_far = session[: place + 1]
            is_measured = any("doc_height" in e.properties for e in so_far)
            applies = is_measured and not is_keyboard_only(so_far)
            found.add(Found(event.actor, due, event.event_id, is_applicable=applies))
    return found


TIP_ENDS = VISIBILITY | {"page_view", "scroll", "help_tip_shown", "help_tip_dismissed"}


def backtracks(happenings: list[Happening]) -> set[Found]:
    """The second time, and each one after, that a page is left within 7 s for the one before it."""
    found = set()
    for session in sessions(happenings):
        views = [place for place, e in enumerate(session) if e.event_name == "page_view"]
        times = 0
        for first, second, third in zip(views, views[1:], views[2:], strict=False):
            before, page, back = session[first], session[second], session[third]
            between = {e.event_name for e in session[second + 1 : third]}
            is_keyboard = is_keyboard_only(session[: third + 1])
            if before.page_url != back.page_url or page.page_url == back.page_url:
                continue
            if between & {"click", "scroll"} or ("key_press" in between and not is_keyboard):
                continue
            if milliseconds(back) - milliseconds(page) < 7000:
                times += 1
                if times >= 2:
                    at = milliseconds(back)
                    found.add(Found(back.actor, at, back.event_id, is_applicable=not is_keyboard))
    return found


def abandoned_forms(happenings: list[Happening]) -> set[Found]:
    """A form begun on a page, and not sent when that is left or 30 minutes are up."""
    found = set()
    for session in sessions(happenings):
        pages = page_of_each(session)
        touched = set()
        sent_count = 0
        for place, event in enumerate(session):
            sent_count += event.event_name == "form_submitted"
            attempt = (pages[event.event_id], sent_count)
            if event.event_name != "form_started" or attempt in touched:
                continue
            touched.add(attempt)
            at = milliseconds(event)
            due = at + 1_800_000
            left = left_at(session, pages, pages[event.event_id])
            end = left if left is not None and at <= left < due else due
            sent = [milliseconds(e) for e in session[place:] if e.event_name == "form_submitted"]
            is_sent = bool(sent) and (sent[0] < end or (sent[0] == end and end < due))
            if not is_sent:
                found.add(Found(event.actor, end, event.event_id))
    return found


def left_at(session: list[Happening], pages: dict, page: str | None) -> int | None:
    """When a page was left: as it says itself, or when the next one came."""
    said = [
        milliseconds(e)
        for e in session
        if e.event_name == "page_leave" and page is not None and pages[e.event_id] == page
    ]
    views = [e for e in session if e.event_name == "page_view"]
    ids = [view.event_id for view in views]
    following = views[ids.index(page) + 1 :] if page is not None else []
    return min([*said[:1], *(milliseconds(view) for view in following[:1])], default=None)


def abandoned_setups(happenings: list[Happening]) -> set[Found]:
    """Two days after a set-up began, if neither the browser nor the person has finished it."""
    found = set()
    events = ordered(
        [e for e in happenings if e.event_name in ("setup_started", "setup_completed")]
    )
    for place, event in enumerate(events):
        if event.event_name != "setup_started":
            continue
        at = milliseconds(event)
        is_resumed = is_completed = False
        for trace in (lambda e: e.actor, lambda e: person(e, happenings)):
            mine = [e for e in events[:place] if trace(e) == trace(event)]
            starts = [milliseconds(e) for e in mine if e.event_name == "setup_started"]
            ends = [milliseconds(e) for e in mine if e.event_name == "setup_completed"]
            if starts and not (ends and ends[-1] >= starts[-1]):
                is_resumed |= at - starts[-1] < TWO_DAYS_MS
            is_completed |= any(
                milliseconds(e) < at + TWO_DAYS_MS
                for e in events[place + 1 :]
                if trace(e) == trace(event) and e.event_name == "setup_completed"
            )
        if not is_resumed and not is_completed:
            found.add(Found(event.actor, at + TWO_DAYS_MS, event.event_id))
    return found


def person(event: Happening, happenings: list[Happening]) -> str:
    """Who it was: the browser, until it names somebody; here nobody signs in after that."""
    names = [
        e.user_id for e in happenings if e.actor == event.actor and e.user_id and e.at <= event.at
    ]
    return names[0] if names else event.actor


TWO_DAYS_MS = 172_800_000

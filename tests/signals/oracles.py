"""The rules once more, slowly and plainly: one event after the other, session by session.

What lasts goes on beyond the limit of a session, in its island; what is counted begins anew.
Each oracle says of everything that its signal may be about whether it is one, and if not, why not.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from math import sqrt

from tests.harness import SESSION_LIMIT, Happening

SILENT = {"page_ping", "page_leave", "page_hidden", "page_visible", "cta_impression"} | {
    *("help_tip_shown", "dom_changed", "something_unheard_of", "load_wait", "identify"),
}
VISIBILITY = {"page_leave", "page_hidden", "page_visible"}
POINTERS = {"pointer_move", "pointer_down", "hover", "text_selected", "click"}
TWO_DAYS_MS = 172_800_000


@dataclass(frozen=True)
class Verdict:
    """What a rule says of one thing: `yes`, why nobody can tell, or `no: ` and why not.

    `value` is what was measured, in the unit of `threshold`; it is told where the answer is yes.
    `how` it came to that is for nobody but the tests, which count all ways.
    """

    actor: str
    at_ms: int
    about: str
    says: str
    value: float | None = None
    threshold: float | None = None
    is_escalated: bool = False
    how: str = field(default="", compare=False)


def milliseconds(happening: Happening) -> int:
    return round(happening.at * 1000)


class Session(list[Happening]):
    """The events of a session, and those of the island of which it is a part."""

    def __init__(self, island: list[Happening]) -> None:
        super().__init__()
        self.island = island


def islands(happenings: list[Happening]) -> Iterator[list[Happening]]:
    """Split at silences of more than 1,800 s."""
    by_actor: dict[str, list[Happening]] = {}
    for happening in happenings:
        by_actor.setdefault(happening.actor, []).append(happening)
    for events in by_actor.values():
        island: list[Happening] = []
        for event in sorted(events, key=lambda e: (milliseconds(e), e.event_id)):
            if island and milliseconds(event) - milliseconds(island[-1]) > 1_800_000:
                yield island
                island = []
            island.append(event)
        yield island


def sessions(happenings: list[Happening]) -> Iterator[Session]:
    """Split islands where a session has lasted as long as it may."""
    for island in islands(happenings):
        session = Session(island)
        for event in island:
            if session and milliseconds(event) - milliseconds(session[0]) > SESSION_LIMIT * 1000:
                yield session
                session = Session(island)
            session.append(event)
        yield session


def is_by_keyboard(event: Happening) -> bool:
    return event.event_name in ("key_press", "focus") or (
        event.event_name == "click" and event.properties.get("detail") == 0
    )


def is_by_pointer(event: Happening) -> bool:
    return event.event_name in POINTERS and not is_by_keyboard(event)


def is_keyboard_only(so_far: list[Happening]) -> bool:
    return any(map(is_by_keyboard, so_far)) and not any(map(is_by_pointer, so_far))


def is_by_finger(event: Happening) -> bool:
    """The pointer says so itself, else the kind of device."""
    pointer = event.properties.get("pointer_type")
    return pointer == "touch" or (pointer is None and event.device_type in ("mobile", "tablet"))


@dataclass(frozen=True)
class Page:
    """One view of a page, and what left it; nothing left the last one."""

    page_view_id: str
    view: Happening
    left_by: Happening | None


def page_of_each(island: list[Happening]) -> dict[str, str | None]:
    """On which page view each event happened: its own word, else the latest that had begun.

    What leaves a page at the instant at which the next one begins has left the one before.
    """
    views = openings(island)
    pages = {}
    for event in island:
        begun = [
            page
            for page, view in views.items()
            if milliseconds(view) < milliseconds(event)
            or (milliseconds(view) == milliseconds(event) and event.event_name != "page_leave")
        ]
        own = event.event_id if event.event_name == "page_view" else begun[-1] if begun else None
        pages[event.event_id] = event.properties.get("page_view_id", own)
    return pages


def openings(events: list[Happening]) -> dict[str, Happening]:
    """The first `page_view` of each page view: a tracker may repeat it, which opens nothing."""
    views: dict[str, Happening] = {}
    for event in events:
        if event.event_name == "page_view":
            views.setdefault(event.properties.get("page_view_id", event.event_id), event)
    return views


def page_views(island: list[Happening]) -> list[Page]:
    """Each page view in order, and what left it: its own first leave, or the next view."""
    pages = page_of_each(island)
    views = list(openings(island).items())
    found = []
    for number, (page, view) in enumerate(views):
        following = [later for _, later in views[number + 1 :]][:1]
        leaves = [e for e in island if e.event_name == "page_leave" and pages[e.event_id] == page]
        exits = sorted([*leaves[:1], *following], key=lambda e: (milliseconds(e), e in following))
        found.append(Page(page, view, exits[0] if exits else None))
    return found


def exits(session: Session) -> list[tuple[Page, list[Happening]]]:
    """Each page that was left in the session, and all of the session up to that."""
    return [
        (page, session[: session.index(page.left_by) + 1])
        for page in page_views(session.island)
        if page.left_by in session
    ]


def rank(event: Happening) -> int:
    """Of one instant: what shows a page, what is done on it, what hides it, the next page."""
    return {"page_visible": 0, "page_hidden": 2, "page_leave": 2, "page_view": 3}.get(
        event.event_name, 1
    )


def playing_count(so_far: list[Happening]) -> int:
    """How many videos play; one that stops and was not seen to start stops no other."""
    playing = 0
    for event in so_far:
        if event.event_name == "video_started":
            playing += 1
        elif event.event_name == "video_stopped" and playing > 0:
            playing -= 1
    return playing


def silences(session: Session) -> Iterator[tuple[Happening, int, int | None]]:
    """Each interaction over which no media plays, and when it was silent from and until."""
    in_order = sorted(session.island, key=lambda e: (milliseconds(e), rank(e), e.event_id))
    for event in session:
        place = in_order.index(event) + 1
        is_playing = playing_count(in_order[:place]) > 0
        if event.event_name in SILENT or is_playing:
            continue
        end = None
        for later in in_order[place:]:
            is_break = later.event_name not in SILENT or later.event_name in VISIBILITY
            if is_break or later.event_name == "something_unheard_of":
                end = milliseconds(later)
                break
        yield event, milliseconds(event), end


def pauses(happenings: list[Happening]) -> Iterator[Verdict]:
    """12 s after an interaction on a visible page without media; again after 30 s, with proof."""
    for session in sessions(happenings):
        for event, start, end in silences(session):
            so_far = session[: session.index(event) + 1]
            says = "keyboard_only" if is_keyboard_only(so_far) else "yes"
            due = start + 12_000
            if end is not None and end < due:
                yield Verdict(event.actor, due, event.event_id, "no: short")
                continue
            how = "open" if end is None else "at the edge" if end == due else "ended"
            yield Verdict(event.actor, due, event.event_id, says, 12, 12, how=how)
            proofs = [
                milliseconds(other)
                for other in session.island
                if other.event_name == "page_ping" and (end is None or milliseconds(other) <= end)
            ]
            proofs = [at for at in (*proofs, end) if at is not None and at > start + 30_000]
            if proofs:
                how = "as it ended" if min(proofs) == end else "by a heartbeat"
                yield Verdict(event.actor, min(proofs), event.event_id, says, 30, 30, True, how)


def cta_failures(happenings: list[Happening]) -> Iterator[Verdict]:
    """The third attempt that failed since the last that worked; a burst is one attempt.

    Worse, where the call to action is surely clicked by less than a fifth of who see it.
    """
    for session in sessions(happenings):
        attempts: dict[str, int] = defaultdict(int)
        last_failure_ms: dict[str, int] = {}
        for place, event in enumerate(session):
            at, cta = milliseconds(event), event.properties.get("cta_id")
            if event.event_name == "cta_click":
                attempts[cta] = 0
            if event.event_name != "cta_click_failed":
                continue
            says = "no: a burst"
            if cta not in last_failure_ms or at - last_failure_ms[cta] >= 1000:
                attempts[cta] += 1
                says = {3: "yes"}.get(attempts[cta], "no: another attempt")
            last_failure_ms[cta] = at
            so_far = session[: place + 1]
            names = [e.event_name for e in so_far if e.properties.get("cta_id") == cta]
            seen, clicked = names.count("cta_impression"), names.count("cta_click")
            is_rate_known = seen >= 10 and not is_keyboard_only(so_far)
            escalates = says == "yes" and is_rate_known and at_most(clicked, seen) < 0.2
            yield Verdict(event.actor, at, event.event_id, says, attempts[cta], 3, escalates)


def at_most(successes: int, trials: int) -> float:
    """The upper end of Wilson's 95 % interval of a share."""
    z, share = 1.96, successes / trials
    middle = share + z * z / (2 * trials)
    spread = z * sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    return (middle + spread) / (1 + z * z / trials)


def rage_clicks(happenings: list[Happening]) -> Iterator[Verdict]:
    """The third click of a chain, as a browser library would count it while it happens."""
    for session in sessions(happenings):
        chain: list[Happening] = []
        told: set[str] = set()
        page = None
        pages = page_of_each(session.island)
        gestures = [milliseconds(e) for e in session if e.event_name in GESTURES]
        for event in session:
            if event.event_name != "click":
                continue
            at = milliseconds(event)
            doubt = ""
            if is_keyboard_only(session[: session.index(event) + 1]):
                doubt = "keyboard_only"
            elif not is_by_keyboard(event) and "x" not in event.properties:
                doubt = "no_pointer_position"
            if doubt and doubt not in told:
                told.add(doubt)
                yield Verdict(event.actor, at, event.event_id, doubt, None, 3)
            if doubt or is_by_keyboard(event):
                continue
            if event.properties.get("element_kind") == "stepper":
                yield Verdict(event.actor, at, event.event_id, "no: a stepper")
                continue
            last = chain[-1] if chain else None
            is_near = last is not None and continues(last, event, page, pages[event.event_id])
            if last and any(milliseconds(last) <= gesture <= at for gesture in gestures):
                is_near = False
            chain = [*chain, event] if is_near else [event]
            page = pages[event.event_id]
            says = "yes" if len(chain) == 3 else "no: another click"
            yield Verdict(event.actor, at, event.event_id, says, len(chain), 3)


def continues(last: Happening, click: Happening, page: str | None, own: str | None) -> bool:
    scale = click.properties.get("viewport_scale", 1)
    distance = sum(abs(click.properties[axis] - last.properties[axis]) for axis in ("x", "y"))
    return (
        milliseconds(click) - milliseconds(last) < 1000
        and distance * scale < 30
        and scale == last.properties.get("viewport_scale", 1)
        and (page is None or own is None or page == own)
    )


ANSWERS = {"dom_changed", "page_view", "page_leave", "something_unheard_of"}
GESTURES = {"scroll", "text_selected"}


def dead_clicks(happenings: list[Happening]) -> Iterator[Verdict]:
    """2.5 s without the page's answer or a gesture at once; if unsure, once a session."""
    for session in sessions(happenings):
        judged: list[Happening] = []
        is_told: set[str] = set()
        changes = [milliseconds(e) for e in session.island if e.event_name == "dom_changed"]
        for place, event in enumerate(session):
            if event.event_name != "click":
                continue
            is_keyboard = is_keyboard_only(session[: place + 1])
            at, element = milliseconds(event), event.properties.get("element_id")
            due = at + 2500
            if is_by_keyboard(event) and not is_keyboard:
                continue
            before = [e for e in judged if element and e.properties.get("element_id") == element]
            judged.append(event)
            later = [e for e in session.island if milliseconds(e) >= at]
            answers = [milliseconds(e) for e in later if e.event_name in ANSWERS]
            gestures = [milliseconds(e) for e in later if e.event_name in GESTURES]
            doubt = "" if any(at <= due for at in changes) else "no_page_activity_instrumentation"
            doubt = "keyboard_only" if is_keyboard else doubt
            if before and at - milliseconds(before[-1]) < 1000:
                says = "no: a burst"
            elif any(answer < due for answer in answers):
                says = "no: answered"
            elif any(gesture < at + 100 for gesture in gestures):
                says = "no: a gesture"
            elif doubt in is_told:
                says = "no: told before"
            else:
                says = doubt or "yes"
                is_told |= {doubt} - {""}
            yield Verdict(event.actor, due, event.event_id, says, 2.5, 2.5)


def hovers(happenings: list[Happening]) -> Iterator[Verdict]:
    """2 s over an element that was not clicked meanwhile; a session may be unable to tell."""
    for session in sessions(happenings):
        for event in session:
            if event.event_name != "hover":
                continue
            end = milliseconds(event)
            start = end - event.properties["duration_ms"]
            clicks = [
                click
                for click in session.island
                if click.event_name == "click"
                and click.properties.get("element_id") == event.properties["element_id"]
                and start <= milliseconds(click) <= end
            ]
            seconds = event.properties["duration_ms"] / 1000
            if seconds < 2:
                says = "no: short"
            elif clicks:
                says = "no: clicked"
            elif is_by_finger(event):
                says = "touch_only"
            else:
                says = "yes"
            how = "at the edge" if seconds == 2 and says == "yes" else ""
            yield Verdict(event.actor, end, event.event_id, says, seconds, 2, how=how)
        yield from unseen_hovers(session)


def unseen_hovers(session: Session) -> Iterator[Verdict]:
    """When the first page is left: could anything so far have told of a hover?"""
    pages_left = exits(session)
    if not pages_left:
        return
    so_far = min((so_far for _, so_far in pages_left), key=len)
    by = so_far[-1]
    names = {e.event_name for e in so_far}
    if any(e.event_name == "hover" and e.at <= by.at for e in session):
        says = "no: observed"
    elif is_keyboard_only(so_far):
        says = "keyboard_only"
    elif is_by_finger(by):
        says = "touch_only"
    elif "pointer_move" not in names:
        says = "no_pointer_instrumentation"
    else:
        says = "no: observed"
    yield Verdict(by.actor, milliseconds(by), by.event_id, says, None, 2, how="page left")


def shallow_scrolls(happenings: list[Happening]) -> Iterator[Verdict]:
    """Left with less than 40 % seen, the window included; under 15 % it is worse."""
    for session in sessions(happenings):
        pages = page_of_each(session.island)
        for page, so_far in exits(session):
            left = milliseconds(so_far[-1])
            on_page = [
                event.properties
                for event in session.island
                if pages[event.event_id] == page.page_view_id and milliseconds(event) <= left
            ]
            lengths = [p["doc_height"] / p["viewport_height"] for p in on_page if "doc_height" in p]
            shares = [
                100.0 * (max(p["scroll_offset_max"], 0) + p["viewport_height"]) / p["doc_height"]
                for p in on_page
                if "scroll_offset_max" in p
            ]
            seen = max(shares, default=None)
            if seen is None:
                says = "no_scroll_instrumentation"
            elif max(lengths) <= 2.5:
                says = "short_page"
            elif is_keyboard_only(so_far):
                says = "keyboard_only"
            else:
                says = "yes" if seen < 40 else "no: seen"
            escalates = says == "yes" and seen < 15
            threshold = 15 if escalates else 40
            how = (
                "at the edge" if seen in (15, 40) else "" if escalates else page.left_by.event_name
            )
            url = page.view.page_url
            yield Verdict(page.view.actor, left, url, says, seen, threshold, escalates, how)


def skips(happenings: list[Happening]) -> Iterator[Verdict]:
    """The first pause on a page whose call to action was passed over when it was open before."""
    for session in sessions(happenings):
        pages = page_of_each(session.island)
        views = list(openings(session).items())
        for number, (page, view) in enumerate(views):
            here = [
                (event, start)
                for event, start, end in silences(session)
                if pages[event.event_id] == page
                and milliseconds(view) <= start
                and (end is None or end >= start + 12_000)
            ]
            before = [v for _, v in views[:number] if v.page_url == view.page_url]
            if not here:
                at = milliseconds(view)
                yield Verdict(view.actor, at, view.event_id, "no: no pause")
                continue
            event, start = here[0]
            due = start + 12_000
            so_far = session[: session.index(event) + 1]
            is_told = any("cta_id" in e.properties and milliseconds(e) <= due for e in session)
            how = passed_over(before[-1], view, session) if before else ""
            if not before:
                says = "no: first time"
            elif is_told and not how:
                says = "no: not passed over"
            elif is_keyboard_only(so_far):
                says = "keyboard_only"
            else:
                says = "yes" if is_told else "no_cta_instrumentation"
            yield Verdict(event.actor, due, event.event_id, says, 12, 12, how=how)


def passed_over(first: Happening, then: Happening, session: list[Happening]) -> str:
    """Between two views of a page, was its call to action refused, seen and not clicked, or not?"""
    between = session[session.index(first) : session.index(then)]
    names = {event.event_name for event in between if event.page_url == first.page_url}
    is_clicked = bool(names & {"cta_click", "cta_click_failed"})
    if "cta_skipped" in names:
        return "refused"
    return "not clicked" if "cta_impression" in names and not is_clicked else ""


TIP_ENDS = VISIBILITY | {"page_view", "scroll", "help_tip_shown", "help_tip_dismissed"}


def help_lingers(happenings: list[Happening]) -> Iterator[Verdict]:
    """12 s after a tip was shown, if nothing moved the page, hid it, or took the tip away."""
    for session in sessions(happenings):
        for place, event in enumerate(session):
            if event.event_name != "help_tip_shown":
                continue
            due = milliseconds(event) + 12_000
            so_far = session[: place + 1]
            after = session.island[session.island.index(event) + 1 :]
            later = [e for e in after if e.event_name in TIP_ENDS]
            if later and milliseconds(later[0]) < due:
                says = "no: short"
            elif is_keyboard_only(so_far):
                says = "keyboard_only"
            elif not any("doc_height" in e.properties for e in so_far):
                says = "no_scroll_instrumentation"
            else:
                says = "yes"
            yield Verdict(event.actor, due, event.event_id, says, 12, 12)


def backtracks(happenings: list[Happening]) -> Iterator[Verdict]:
    """The second time, and each one after, that a page is left within 7 s for the one before it."""
    for session in sessions(happenings):
        views = list(openings(session).values())
        times = 0
        for before, page, back in zip(views, views[1:], views[2:], strict=False):
            between = {e.event_name for e in session[session.index(page) : session.index(back)]}
            is_keyboard = is_keyboard_only(session[: session.index(back) + 1])
            dwell_ms = milliseconds(back) - milliseconds(page)
            if before.page_url != back.page_url or page.page_url == back.page_url:
                says = "no: no return"
            elif between & {"click", "scroll"} or ("key_press" in between and not is_keyboard):
                says = "no: busy"
            elif dwell_ms >= 7000:
                says = "no: slow"
            else:
                times += 1
                says = "no: once"
                if times >= 2:
                    says = "keyboard_only" if is_keyboard else "yes"
            at = milliseconds(back)
            yield Verdict(back.actor, at, back.event_id, says, dwell_ms / 1000, 7)


def abandoned_forms(happenings: list[Happening]) -> Iterator[Verdict]:
    """A form begun on a page, and not sent when that is left or 30 minutes are up."""
    for island in islands(happenings):
        pages = page_of_each(island)
        left_at = {p.page_view_id: milliseconds(p.left_by) for p in page_views(island) if p.left_by}
        touched = set()
        sent_count: dict[str, int] = defaultdict(int)
        for place, event in enumerate(island):
            form, page = event.properties.get("form_id"), pages[event.event_id]
            sent_count[form] += event.event_name == "form_submitted"
            if event.event_name != "form_started":
                continue
            at = milliseconds(event)
            due = at + 1_800_000
            left = left_at.get(page)
            end = left if left is not None and at <= left < due else due
            sent = [
                milliseconds(e)
                for e in island[place:]
                if e.event_name == "form_submitted" and e.properties["form_id"] == form
            ]
            if (form, page, sent_count[form]) in touched:
                says = "no: the same attempt"
            elif sent and (sent[0] < end or (sent[0] == end and end < due)):
                says = "no: sent"
            else:
                says = "yes"
            touched.add((form, page, sent_count[form]))
            how = "time up" if end == due else "page left"
            yield Verdict(event.actor, end, event.event_id, says, (end - at) / 1000, 1800, how=how)


def abandoned_setups(happenings: list[Happening]) -> Iterator[Verdict]:
    """Two days after a set-up began, if neither the browser nor the person has finished it."""
    person = people(happenings)
    events = sorted(
        (e for e in happenings if e.event_name in ("setup_started", "setup_completed")),
        key=lambda e: (milliseconds(e), e.event_id),
    )
    for place, event in enumerate(events):
        if event.event_name != "setup_started":
            continue
        at = milliseconds(event)
        is_resumed = is_completed = False
        for trace in (lambda e: e.actor, lambda e: person(e.actor, milliseconds(e))):
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
        says = "no: resumed" if is_resumed else "no: completed" if is_completed else "yes"
        yield Verdict(event.actor, at + TWO_DAYS_MS, event.event_id, says, 172_800, 172_800)


def people(happenings: list[Happening]) -> Callable[[str, int], str]:
    """Who was where and when: the browser, until it names somebody, and nobody else after that."""
    known: dict[str, Happening] = {}
    for event in happenings:
        if event.user_id and event.event_name != "is_said":
            known.setdefault(event.actor, event)

    def person(actor: str, at_ms: int) -> str:
        first = known.get(actor)
        is_known = first is not None and milliseconds(first) <= at_ms
        return first.user_id if is_known else actor

    return person


MILESTONES = {"team_invited", "onboarding_completed"}


def milestones(happenings: list[Happening]) -> Iterator[Verdict]:
    """A milestone and the time since sign-up, as it had been said by then, else seen by then."""
    person = people(happenings)
    all_said = list(sign_ups_said(happenings))
    all_seen = [
        (person(event.actor, milliseconds(event)), milliseconds(event))
        for event in happenings
        if event.event_name == "sign_up"
    ]
    for event in happenings:
        if event.event_name not in MILESTONES:
            continue
        at = milliseconds(event)
        who = person(event.actor, at)
        said = [what for whom, *what in all_said if whom == who and what[0] <= at]
        seen = [seen_ms for whom, seen_ms in all_seen if whom == who and seen_ms <= at]
        signed_up_ms = max(said)[2] if said else min(seen, default=None)
        is_known = signed_up_ms is not None and signed_up_ms <= at
        value = (at - signed_up_ms) / 1000 if is_known else None
        says = "yes" if is_known else "sign_up_unknown"
        how = "said" if said else "seen" if seen else ""
        yield Verdict(event.actor, at, event.event_id, says, value, 0, how=how)


def sign_ups_said(happenings: list[Happening]) -> Iterator[tuple[str, int, int, int]]:
    """Of whom, from when on, loaded when, and when they are said to have signed up.

    A list, `is_said` here, that is not dated holds from when it arrives.
    """
    for event in happenings:
        if event.event_name in ("identify", "is_said") and event.user_id:
            loaded_ms = round(event.loaded_at * 1000)
            is_dated = event.properties.get("is_dated", True)
            from_ms = milliseconds(event) if is_dated else loaded_ms
            signed_up_ms = round(event.properties["signed_up"] * 1000)
            yield event.user_id, from_ms, loaded_ms, signed_up_ms

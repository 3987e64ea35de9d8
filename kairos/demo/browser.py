"""A browser tab: it knows the time and the page, and sends what a tracking library would send."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from kairos.demo.people import Device, Person
from kairos.demo.product import Page

PING_MS = 10_000

Event = dict[str, Any]


@dataclass
class Log:
    """What happened: the events, and the facts that the line is expected to find in them.

    A fact is a kind and the instant at which it became true.
    """

    events: list[tuple[int, Event]] = field(default_factory=list)
    facts: list[tuple[str, int]] = field(default_factory=list)


class Browser:
    """One tab of a person's device, from the first page of a visit to the last."""

    def __init__(self, person: Person, device: Device, at_ms: int, is_known: bool, log: Log):
        """Start the clock of the tab at `at_ms`; `is_known` says whether they are logged in."""
        self.person = person
        self.device = device
        self.now_ms = at_ms
        self.is_known = is_known
        self.log = log
        self.rng = person.rng
        self.page: Page | None = None

    def send(self, event_name: str, **properties: Any) -> None:
        """Record one event of this instant; the next one is a millisecond later at least."""
        event = {
            "event_id": f"{self.rng.getrandbits(128):032x}",
            "user_id": self.person.user_id if self.is_known else None,
            "anonymous_id": self.device.anonymous_id,
            "event_name": event_name,
            "event_at": iso(self.now_ms),
            "page_url": self.page.url if self.page else None,
            "device_type": self.device.device_type,
            "user_agent": self.device.user_agent,
            "properties": properties,
            "source": "web",
        }
        self.log.events.append((self.now_ms, event))
        self.now_ms += 1

    def note(self, fact: str, at_ms: int | None = None) -> None:
        """Note that the line should find this fact, true from `at_ms` (default: this instant)."""
        self.log.facts.append((fact, self.now_ms if at_ms is None else at_ms))

    def wait(self, seconds: float) -> None:
        """Let time pass; a visible page pings every ten seconds."""
        until_ms = self.now_ms + round(seconds * 1000)
        while self.page and self.next_ping_ms <= until_ms:
            self.now_ms = self.next_ping_ms
            self.next_ping_ms += PING_MS
            self.send("page_ping", page_view_id=self.page_view_id, **self.scroll_state())
        self.now_ms = max(self.now_ms, until_ms)

    def linger(self, low: float, high: float) -> None:
        """Let a random time pass between two gestures, in seconds."""
        self.wait(self.rng.uniform(low, high))

    def open(self, page: Page) -> None:
        """Load a page."""
        self.page = page
        self.page_view_id = f"pv-{self.rng.getrandbits(64):016x}"
        self.offset = 0
        self.has_told_depth = False
        self.next_ping_ms = self.now_ms + PING_MS
        self.send("page_view", page_view_id=self.page_view_id, **self.heights())

    def leave(self) -> None:
        """Leave the page, and note whether it was left with little of it seen."""
        self.send("page_leave", page_view_id=self.page_view_id)
        if self.is_shallow():
            self.note("shallow_scroll")
        self.page = None
        self.wait(self.rng.uniform(0.2, 0.8))

    def hide(self, seconds: float) -> None:
        """Look at another tab for a while: the page is hidden, and hidden pages do not ping."""
        self.send("page_hidden", page_view_id=self.page_view_id)
        self.now_ms += round(seconds * 1000)
        self.next_ping_ms = self.now_ms + PING_MS
        self.send("page_visible", page_view_id=self.page_view_id)
        self.note("hidden_tab")

    def scroll_to(self, share: float) -> None:
        """Scroll until this share of the page (0..1, viewport included) has been seen."""
        offset = round(share * self.page.height) - self.device.viewport_height
        if self.device.has_scroll_sensor and offset > self.offset:
            self.offset = min(offset, self.page.height - self.device.viewport_height)
            self.send("scroll", page_view_id=self.page_view_id, **self.scroll_state())

    def click(self, element_id: str, x: int, y: int) -> None:
        """Click on an element; a click by keyboard carries no position and detail 0."""
        if self.person.is_keyboard_only:
            self.send("key_press")
            self.send("click", element_id=element_id, x=0, y=0, detail=0)
        else:
            self.send("click", element_id=element_id, x=x, y=y, detail=1)

    def move_pointer(self) -> None:
        """Move the pointer, or whatever the person uses in its place."""
        self.send("key_press" if self.person.is_keyboard_only else "pointer_move")

    def heights(self) -> dict[str, int]:
        """Give the heights of page and viewport, when this browser measures them."""
        if not self.device.has_scroll_sensor:
            return {}
        return {"doc_height": self.page.height, "viewport_height": self.device.viewport_height}

    def scroll_state(self) -> dict[str, int]:
        """Give the deepest offset so far beside the heights."""
        heights = self.heights()
        self.has_told_depth = bool(heights)
        return {"scroll_offset_max": self.offset, **heights} if heights else {}

    def is_shallow(self) -> bool:
        """Say whether less than 40 % of a long page was seen, by somebody whose scrolling tells."""
        seen = self.offset + self.device.viewport_height
        return (
            self.has_told_depth
            and not self.person.is_keyboard_only
            and self.page.height > 2.5 * self.device.viewport_height
            and seen / self.page.height < 0.4
        )


def iso(instant_ms: int) -> str:
    """Write epoch milliseconds as ISO 8601 in UTC."""
    whole, ms = divmod(instant_ms, 1000)
    return f"{datetime.fromtimestamp(whole, UTC):%Y-%m-%dT%H:%M:%S}.{ms:03d}Z"

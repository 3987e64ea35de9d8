"""What happens to events on their way: they are late, doubled, disordered and damaged."""

import json
import random
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from kairos.demo.browser import Event
from kairos.demo.people import DAY_MS, HOUR_MS

JSON = json.JSONEncoder(separators=(",", ":"))
DUPLICATE_SHARE = 0.02
LATE_SHARE = 0.01
MALFORMED_SHARE = 0.005
OVERSIZED_LINES = 3
TOO_LARGE_BYTES = 1_200_000


@dataclass(frozen=True)
class Arrival:
    """One line of a file: when it arrives, in epoch ms, and its text."""

    at_ms: int
    line: str


class Transport:
    """Carries events to the landing folder, and counts every trouble it makes."""

    def __init__(self, seed: int, end_ms: int, encode: Callable[[Event], dict[str, Any]]):
        """Nothing arrives after `end_ms`; `encode` gives the format of the files."""
        self.rng = random.Random(f"{seed}:transport:{encode.__name__}")
        self.end_ms = end_ms
        self.encode = encode
        self.troubles: Counter[str] = Counter()

    def carry(self, events: Iterable[tuple[int, Event]]) -> list[Arrival]:
        """Carry events, given by instant, and return the lines by arrival."""
        arrivals = []
        for at_ms, event in events:
            line = self.write(event)
            arrivals.append(Arrival(self.delay(at_ms), line))
            chance = self.rng.random()
            if chance < DUPLICATE_SHARE:
                arrivals.append(self.double(at_ms, event, line))
            elif chance > 1 - MALFORMED_SHARE:
                arrivals.append(Arrival(self.soon(at_ms), self.damage(event)))
        arrivals.sort(key=lambda arrival: arrival.at_ms)
        return arrivals

    def write(self, event: Event) -> str:
        """Write one event as a line of JSON."""
        return JSON.encode(self.encode(event))

    def soon(self, at_ms: int) -> int:
        """Arrive within the minute, a little out of order."""
        return min(self.end_ms, at_ms + self.rng.randrange(200, 60_000))

    def delay(self, at_ms: int) -> int:
        """Arrive soon, or, one time in a hundred, hours or days late (in a later file)."""
        if self.rng.random() >= LATE_SHARE:
            return self.soon(at_ms)
        self.troubles["late"] += 1
        late_ms = self.rng.choice((3 * HOUR_MS, 9 * HOUR_MS, DAY_MS, 3 * DAY_MS))
        return min(self.end_ms, at_ms + self.rng.randrange(HOUR_MS, late_ms + HOUR_MS))

    def double(self, at_ms: int, event: Event, line: str) -> Arrival:
        """Send an event once more: the same bytes, or the same id with another payload."""
        if self.rng.random() < 0.75:
            self.troubles["duplicate_exact"] += 1
            return Arrival(self.delay(at_ms), line)
        self.troubles["duplicate_changed"] += 1
        changed = {**event, "page_url": f"{event['page_url']}?retry=1"}
        return Arrival(self.delay(at_ms), self.write(changed))

    def damage(self, event: Event) -> str:
        """Make a line that cannot be an event, from one that is (which arrives all the same)."""
        event = {**event, "event_id": f"{self.rng.getrandbits(128):032x}"}
        kind = self.rng.choice(tuple(DAMAGES))
        self.troubles[kind] += 1
        damaged = DAMAGES[kind](event)
        return damaged if isinstance(damaged, str) else self.write(damaged)

    def oversize(self, at_ms: int, event: Event) -> Arrival:
        """Make a line that is too large to be taken."""
        self.troubles["too_large"] += 1
        event = {**event, "event_id": f"{self.rng.getrandbits(128):032x}"}
        event["properties"] = {"note": "x" * TOO_LARGE_BYTES}
        return Arrival(self.soon(at_ms), self.write(event))


def without(field: str) -> Callable[[Event], Event]:
    """Make a damage that empties one field."""
    return lambda event: {**event, field: None}


def at_time(text: str) -> Callable[[Event], Event]:
    """Make a damage that gives the event this time."""
    return lambda event: {**event, "event_at": text}


def without_property(event: Event) -> Event:
    """Turn the event into a failed click that does not say on what."""
    return {**event, "event_name": "cta_click_failed", "properties": {"error": "offline"}}


DAMAGES: dict[str, Callable[[Event], Event | str]] = {
    "not_json": lambda event: '{"event_id": "' + event["event_id"] + '", "event_name": "cli',
    "not_an_object": lambda event: json.dumps([event["event_id"]]),
    "missing_id": without("event_id"),
    "missing_name": without("event_name"),
    "missing_time": without("event_at"),
    "unreadable_time": at_time("the day before yesterday"),
    "future_time": at_time("2031-05-04T03:02:01.000Z"),
    "missing_property": without_property,
}
"""How a line can be unusable, by the name under which the manifest counts it."""

"""Visitors of whom it is known whether they are people: events with labels, for tests and figures.

A visitor is a list of (milliseconds since the start, event name, properties, page). People move the
pointer along bent paths at a bell-shaped speed, wait by heavy-tailed draws, hold keys, tap, read
or leave pages open that refresh themselves. Bots do what scripts do, from the naive to the patient.
"""

import json
import math
import random
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

CLEAN = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/131.0.0.0 Safari/537.36"
)
PAGE = "https://app.example.com/page/"


@dataclass
class Visit:
    """One session while it is written."""

    rng: random.Random
    device_type: str = "desktop"
    at_ms: float = 0
    page: str = PAGE + "0"
    position: tuple[float, float] = (600.0, 400.0)
    events: list[tuple[int, str, dict[str, Any], str]] = field(default_factory=list)

    def send(self, name: str, **properties: Any) -> None:
        """Write an event; two never share an instant."""
        at_ms = round(self.at_ms)
        if self.events and at_ms <= self.events[-1][0]:
            at_ms = self.events[-1][0] + 1
            self.at_ms = at_ms
        self.events.append((at_ms, name, properties, self.page))

    def wait(self, milliseconds: float) -> None:
        """Let time pass."""
        self.at_ms += milliseconds

    def view(self, number: int) -> None:
        """Open a page."""
        self.page = f"{PAGE}{number}"
        self.send("page_view", doc_height=3000, viewport_height=800)

    def click(self, **properties: Any) -> None:
        """Click where the pointer is."""
        x, y = self.position
        self.send("click", **({"x": round(x), "y": round(y), "detail": 1} | properties))

    def target(self) -> tuple[float, float]:
        """Choose somewhere on the screen to go."""
        return self.rng.uniform(40, 1400), self.rng.uniform(40, 800)

    def hand(self, sample_ms: float) -> None:
        """Move the pointer as a hand does: bent, fast in the middle, corrected at the end."""
        rng = self.rng
        for goal in (self.target(), None):
            x0, y0 = self.position
            x1, y1 = goal or (x0 + rng.gauss(0, 12), y0 + rng.gauss(0, 12))
            length = math.hypot(x1 - x0, y1 - y0)
            bow = rng.gauss(0, 0.08) * length
            duration = 150 + 220 * math.log2(1 + length / 60) * rng.lognormvariate(0, 0.25)
            steps = max(1, round(duration / sample_ms))
            for step in range(1, steps + 1):
                t = step / steps
                s = t**3 * (10 - 15 * t + 6 * t * t)
                side = bow * math.sin(math.pi * s) / max(length, 1)
                x = x0 + (x1 - x0) * s - (y1 - y0) * side + rng.gauss(0, 0.6)
                y = y0 + (y1 - y0) * s + (x1 - x0) * side + rng.gauss(0, 0.6)
                self.wait(sample_ms * rng.uniform(0.9, 1.15))
                self.position = (x, y)
                self.send("pointer_move", x=round(x), y=round(y))
        self.wait(rng.lognormvariate(5.2, 0.4))

    def line(self, steps: int, step_ms: float) -> None:
        """Move the pointer as a script does: straight, in even steps."""
        (x0, y0), (x1, y1) = self.position, self.target()
        for step in range(1, steps + 1):
            self.wait(step_ms)
            self.position = (x0 + (x1 - x0) * step / steps, y0 + (y1 - y0) * step / steps)
            self.send("pointer_move", x=round(self.position[0]), y=round(self.position[1]))

    def think(self, median_ms: float = 2500, spread: float = 0.9) -> None:
        """Wait as people do: mostly briefly, now and then for long."""
        self.wait(min(self.rng.lognormvariate(math.log(median_ms), spread), 1_200_000))


def mouse(v: Visit) -> None:
    """Someone at work with a mouse, on a tracker that samples every 20 to 250 ms."""
    sample_ms = v.rng.choice([20, 50, 100, 250])
    for number in range(v.rng.randint(3, 15)):
        v.view(number)
        for _ in range(v.rng.randint(1, 12)):
            v.think(spread=v.rng.uniform(0.6, 1.2))
            v.hand(sample_ms)
            v.click()


def fast_clicker(v: Visit) -> None:
    """Someone who beats steppers and pages on as fast as the hand goes."""
    v.view(0)
    for _ in range(v.rng.randint(4, 12)):
        v.hand(50)
        for _ in range(v.rng.randint(8, 40)):
            v.click()
            v.wait(v.rng.gauss(170, 12))
        v.think(1200)


def pager(v: Visit) -> None:
    """Someone who looks through a list at the pace of a second or two."""
    for number in range(v.rng.randint(30, 120)):
        v.view(number)
        v.wait(400 + v.rng.lognormvariate(math.log(1100), v.rng.uniform(0.5, 0.8)))
        v.click()
        v.wait(v.rng.uniform(60, 250))


def keyboard(v: Visit) -> None:
    """Someone without a mouse, who holds Tab and Enter down."""
    for number in range(v.rng.randint(3, 10)):
        v.view(number)
        for _ in range(v.rng.randint(2, 8)):
            v.think(1800)
            v.wait(500)
            for _ in range(v.rng.randint(1, 60)):
                v.wait(33)
                v.send("key_press")
            v.send("focus", element_id="next")
            v.click(x=0, y=0, detail=0)


def assistive(v: Visit) -> None:
    """Someone whose aid clicks for them: no pointer, no position."""
    for number in range(v.rng.randint(5, 15)):
        v.view(number)
        for _ in range(v.rng.randint(2, 6)):
            v.think(5000)
            v.click(x=0, y=0, detail=0)


def touch(v: Visit) -> None:
    """Someone with a telephone."""
    v.device_type = "mobile"
    for number in range(v.rng.randint(3, 15)):
        v.view(number)
        for _ in range(v.rng.randint(1, 8)):
            v.think(1500)
            if v.rng.random() < 0.5:
                v.send("scroll", scroll_offset_max=v.rng.randint(0, 2000))
            v.position = v.target()
            v.click(pointer_type="touch")


def reader(v: Visit) -> None:
    """Someone who reads one page for twenty minutes."""
    v.view(0)
    for minute in range(20):
        for _ in range(6):
            v.wait(10_000)
            v.send("page_ping", scroll_offset_max=100 * minute)
        if v.rng.random() < 0.6:
            v.send("scroll", scroll_offset_max=100 * minute)


def poller(v: Visit) -> None:
    """Someone with a page that refreshes itself, who looks at it now and then."""
    every_ms = v.rng.choice([5_000, 30_000, 60_000])
    for _ in range(v.rng.randint(100, 400)):
        v.view(0)
        v.wait(every_ms)
        if v.rng.random() < 0.05:
            v.hand(100)
            v.click()


def viewer(v: Visit) -> None:
    """Someone before a video that loops."""
    v.view(0)
    v.hand(100)
    v.click()
    for _ in range(v.rng.randint(20, 60)):
        v.send("video_started")
        v.wait(15_000)
        v.send("video_stopped")
        v.wait(50)


def long_worker(v: Visit) -> None:
    """Someone who works for ten hours with hardly a break."""
    number = 0
    while v.at_ms < 36_000_000:
        v.view(number)
        v.think(60_000, 1.0)
        v.hand(250)
        v.click()
        number += 1


def naive(v: Visit) -> None:
    """A script that clicks every second, without a pointer."""
    v.view(0)
    every_ms = v.rng.choice([700, 1000, 2000, 5000])
    for _ in range(60):
        v.wait(every_ms)
        v.click(x=512, y=384)


def headless(v: Visit) -> None:
    """A script without a pointer that waits by chance, as heavy-tailed as people do."""
    for number in range(10):
        v.view(number)
        for _ in range(6):
            v.think()
            v.position = v.target()
            v.click()


def jittered(v: Visit) -> None:
    """A metronome with jitter, which moves the pointer in one jump before each click."""
    low, high = v.rng.choice([(800, 1200), (1000, 3000), (500, 5000), (2000, 4000)])
    for number in range(20):
        v.view(number)
        for _ in range(8):
            v.wait(v.rng.uniform(low, high))
            v.line(1, 1)
            v.wait(v.rng.uniform(3, 12))
            v.click()


def straight(v: Visit) -> None:
    """A script that moves along straight lines and waits as people do."""
    for number in range(10):
        v.view(number)
        for _ in range(6):
            v.think()
            v.line(v.rng.randint(12, 30), v.rng.uniform(12, 25))
            v.wait(v.rng.lognormvariate(5, 0.4))
            v.click()


def curved(v: Visit) -> None:
    """A script that moves along bent paths, at one speed."""
    for number in range(10):
        v.view(number)
        for _ in range(6):
            v.think()
            (x0, y0), (x1, y1) = v.position, v.target()
            length = math.hypot(x1 - x0, y1 - y0)
            bow, steps = v.rng.gauss(0, 0.2), max(2, round(length / 25))
            for step in range(1, steps + 1):
                t = step / steps
                side = bow * math.sin(math.pi * t)
                x = x0 + (x1 - x0) * t - (y1 - y0) * side
                y = y0 + (y1 - y0) * t + (x1 - x0) * side
                v.position = (x, y)
                v.wait(16)
                v.send("pointer_move", x=round(x), y=round(y))
            v.wait(v.rng.lognormvariate(5, 0.4))
            v.click()


def replayed(v: Visit) -> None:
    """A person's visit played back with the same time between any two events."""
    person = Visit(v.rng)
    mouse(person)
    mouse(person)
    step_ms = v.rng.choice([40, 60, 100])
    for _, name, properties, page in person.events:
        v.page = page
        v.wait(step_ms)
        v.send(name, **properties)


def pausing(v: Visit) -> None:
    """A hand's paths, and pauses that are all alike: always so long, or between two bounds."""
    low, high = v.rng.choice([(15_000, 15_000), (12_500, 13_000), (12_000, 20_000)])
    for number in range(12):
        v.view(number)
        for _ in range(6):
            v.wait(v.rng.uniform(low, high))
            v.hand(50)
            v.click()


def crawler(v: Visit) -> None:
    """A clean browser that opens ten pages a second."""
    for number in range(120):
        v.view(number)
        v.wait(v.rng.uniform(60, 140))


def sleepless(v: Visit) -> None:
    """A patient script that never sleeps."""
    number = 0
    while v.at_ms < 82_800_000:
        v.view(number)
        v.think(60_000, 1.0)
        v.hand(250)
        v.click()
        number += 1


PEOPLE: tuple[Callable[[Visit], None], ...] = (
    mouse, fast_clicker, pager, keyboard, assistive, touch, reader, poller, viewer, long_worker,
)  # fmt: skip
BOTS: tuple[Callable[[Visit], None], ...] = (
    naive, headless, jittered, straight, curved, replayed, pausing, crawler, sleepless,
)  # fmt: skip
RARE = {"long_worker": 0.1, "sleepless": 0.1}
"""Visits of many hours: fewer of them, to keep a run short."""


def rows(
    count: int, seed: int | str, kinds: Collection[Callable[[Visit], None]] = (*PEOPLE, *BOTS)
) -> Iterator[tuple[Any, ...]]:
    """Return events of `count` visitors of each kind, whose name stands before the actor's number.

    Columns: event id, anonymous id, event name, milliseconds since the start, page, device, user
    agent, properties as JSON text.
    """
    for write in kinds:
        for number in range(max(1, round(count * RARE.get(write.__name__, 1)))):
            actor = f"{write.__name__}:{number}"
            visit = Visit(random.Random(f"{seed}:{actor}"))
            write(visit)
            for index, (at_ms, name, properties, page) in enumerate(visit.events):
                yield (
                    f"{actor}:{index}", actor, name, at_ms, page, visit.device_type, CLEAN,
                    json.dumps(properties),
                )  # fmt: skip

"""Visitors that are no people: crawlers that say so, and headless browsers that do not."""

import random
from typing import Any

from kairos.demo.browser import Event, Log, iso
from kairos.demo.people import DESKTOP_AGENTS
from kairos.demo.product import HELP, STEPS

CRAWLERS = (
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
    "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; "
    "+https://openai.com/gptbot)",
    "python-requests/2.32.3",
)


def crawl(seed: int, number: int, start_ms: int, end_ms: int) -> Log:
    """Read every page a few times over the days, by a crawler that declares itself."""
    rng = random.Random(f"{seed}:crawler:{number}")
    who = (None, f"crawler-{number:03d}", rng.choice(CRAWLERS))
    log = Log()
    for _ in range(rng.randint(2, 4)):
        at_ms = rng.randrange(start_ms, end_ms - 600_000)
        for page in (*STEPS, HELP):
            view = {"page_view_id": f"pv-{rng.getrandbits(64):016x}"}
            _send(log, rng, who, at_ms, page.url, "page_view", view)
            at_ms += rng.randint(300, 2500)
    log.facts.append(("declared_bot", start_ms))
    return log


def run_headless(seed: int, number: int, start_ms: int, end_ms: int) -> Log:
    """Press the key button of one page again and again, in a clean browser, by the metronome.

    Every second one is logged in, so that its failed clicks would be moments if it were a person.
    """
    rng = random.Random(f"{seed}:headless:{number}")
    user_id = f"robot-{number:03d}" if number % 2 else None
    who = (user_id, f"headless-{number:03d}", rng.choice(DESKTOP_AGENTS))
    page = rng.choice(STEPS[2:4])
    log = Log()
    at_ms = rng.randrange(start_ms, end_ms - 600_000)
    if number % 4 == 1:
        at_ms = rng.randrange(end_ms - 7_200_000, end_ms - 600_000)
    view = {"page_view_id": f"pv-{rng.getrandbits(64):016x}"}
    _send(log, rng, who, at_ms, page.url, "page_view", view)
    for press in range(rng.randint(80, 160)):
        at_ms += 1000
        click = {"element_id": page.action, "x": 512, "y": 384, "detail": 1}
        _send(log, rng, who, at_ms, page.url, "click", click)
        if press >= 60 and press % 10 == 0:
            failure = {"cta_id": page.action, "error": "offline"}
            _send(log, rng, who, at_ms, page.url, "cta_click_failed", failure)
    log.facts.append(("headless_bot", start_ms))
    return log


def _send(
    log: Log,
    rng: random.Random,
    who: tuple[str | None, str, str],
    at_ms: int,
    page_url: str,
    event_name: str,
    properties: dict[str, Any],
) -> None:
    user_id, anonymous_id, user_agent = who
    event: Event = {
        "event_id": f"{rng.getrandbits(128):032x}",
        "user_id": user_id,
        "anonymous_id": anonymous_id,
        "event_name": event_name,
        "event_at": iso(at_ms),
        "page_url": page_url,
        "device_type": "desktop",
        "user_agent": user_agent,
        "properties": properties,
        "source": "web",
    }
    log.events.append((at_ms, event))

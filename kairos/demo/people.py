"""Who goes through the onboarding: each person is drawn once, from the seed and a number."""

import hashlib
import random
from dataclasses import dataclass, field

DAY_MS = 86_400_000
HOUR_MS = 3_600_000

PLACES = (
    ("Europe/Berlin", "de-DE"),
    ("Europe/London", "en-GB"),
    ("Europe/Madrid", "es-ES"),
    ("America/New_York", "en-US"),
    ("America/Los_Angeles", "en-US"),
    ("America/Sao_Paulo", "pt-BR"),
    ("Africa/Lagos", "en-NG"),
    ("Asia/Kolkata", "en-IN"),
    ("Asia/Tokyo", "ja-JP"),
    ("Australia/Sydney", "en-AU"),
)
ACCOUNTS = (("acct-northwind", 60), ("acct-globex", 45), ("acct-initech", 35))
"""The companies that onboard whole teams, and how many of their people are here."""

_CHROME = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0"
DESKTOP_AGENTS = (
    f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {_CHROME} Safari/537.36",
    f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {_CHROME} Safari/537.36",
    "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0",
)
MOBILE_AGENTS = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 "
    "(KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1",
    f"Mozilla/5.0 (Linux; Android 14; Pixel 8) {_CHROME} Mobile Safari/537.36",
)


@dataclass(frozen=True)
class Device:
    """One browser: the identity that survives a sign-up, and what it can observe."""

    anonymous_id: str
    device_type: str
    user_agent: str
    viewport_height: int
    has_scroll_sensor: bool

    @classmethod
    def draw(cls, rng: random.Random, is_mobile: bool) -> "Device":
        """Draw a desktop or a mobile browser."""
        return cls(
            anonymous_id=f"anon-{rng.getrandbits(64):016x}",
            device_type="mobile" if is_mobile else "desktop",
            user_agent=rng.choice(MOBILE_AGENTS if is_mobile else DESKTOP_AGENTS),
            viewport_height=rng.choice((660, 720, 780) if is_mobile else (720, 800, 900)),
            has_scroll_sensor=rng.random() > 0.04,
        )


@dataclass
class Person:
    """Somebody who signs up, and what their temperament makes of the pages they meet."""

    user_id: str
    devices: list[Device]
    account_id: str | None
    segment: str
    time_zone: str
    locale: str
    consents: dict[str, bool]
    speaks_segment: bool
    is_keyboard_only: bool
    hesitation: float
    thoroughness: float
    patience: float
    first_seen_ms: int
    last_visit_ms: int | None
    rng: random.Random = field(repr=False)
    signed_up_ms: int | None = None
    completed_ms: int | None = None

    @classmethod
    def draw(cls, seed: int, number: int, start_ms: int, end_ms: int) -> "Person":
        """Draw person `number`: the same for the same seed, whoever else is drawn.

        One person in four is back within the last two hours, so that the run finds moments that
        are still fresh.
        """
        rng = random.Random(f"{seed}:person:{number}")
        account_id = account_of(number)
        time_zone, locale = rng.choice(PLACES)
        devices = [Device.draw(rng, is_mobile=rng.random() < 0.3)]
        if rng.random() < 0.12:
            devices.append(Device.draw(rng, is_mobile=devices[0].device_type == "desktop"))
        first_seen_ms = rng.randrange(start_ms, end_ms - 10 * 60_000)
        first_seen_ms = min(waking_hour(rng, first_seen_ms), end_ms - 10 * 60_000)
        last_visit_ms = None
        if rng.random() < 0.25:
            last_visit_ms = rng.randrange(end_ms - 2 * HOUR_MS, end_ms - 60_000)
        return cls(
            user_id=f"user-{number:05d}",
            devices=devices,
            account_id=account_id,
            segment="business" if account_id else "self_serve",
            time_zone=time_zone,
            locale=locale,
            consents={"in_app": rng.random() > 0.04, "email": rng.random() > 0.3},
            speaks_segment=rng.random() < 0.08,
            is_keyboard_only=rng.random() < 0.03,
            hesitation=rng.uniform(0.3, 1.7),
            thoroughness=rng.betavariate(3, 2),
            patience=rng.betavariate(4, 2),
            first_seen_ms=first_seen_ms,
            last_visit_ms=last_visit_ms,
            rng=rng,
        )

    @property
    def email_hash(self) -> str:
        """The SHA-256 of the person's address: the address itself is nowhere in the demo."""
        return hashlib.sha256(f"{self.user_id}@example.com".encode()).hexdigest()


def account_of(number: int) -> str | None:
    """Spread the people of the companies among the others: every seventh, until all are placed."""
    place, remainder = divmod(number, 7)
    if remainder:
        return None
    for account_id, size in ACCOUNTS:
        if place < size:
            return account_id
        place -= size
    return None


def waking_hour(rng: random.Random, instant_ms: int) -> int:
    """Move an instant out of the small hours (UTC): the demo is busiest from 7 to 21 o'clock."""
    day_ms, of_day_ms = divmod(instant_ms, DAY_MS)
    if 7 * HOUR_MS <= of_day_ms < 21 * HOUR_MS or rng.random() < 0.15:
        return instant_ms
    return day_ms * DAY_MS + rng.randrange(7 * HOUR_MS, 21 * HOUR_MS)

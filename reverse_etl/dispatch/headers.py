"""How long a destination asks us to wait, in every unit in which vendors write it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

EPOCH_MILLISECONDS_FROM = 100_000_000_000
"""Numbers from here on are epoch milliseconds (seconds would be the year 5138)."""

EPOCH_SECONDS_FROM = 1_000_000_000
"""Numbers from here on are epoch seconds (as a wait they would be 31 years)."""

_REMAINING = (
    "x-ratelimit-remaining",
    "ratelimit-remaining",
    "x-ratelimit-route-remaining",
    "x-ratelimit-global-remaining",
    "x-ratelimit-remaining-org",
    "x-ratelimit-remaining-ip",
)
_RESET = (
    "x-ratelimit-reset",
    "ratelimit-reset",
    "x-ratelimit-reset-seconds-org",
    "x-ratelimit-reset-seconds-ip",
)


@dataclass(frozen=True)
class Advice:
    """What the headers of one answer say about the next requests."""

    wait_seconds: float | None = None
    """Send nothing to this endpoint class for so long."""
    remaining: int | None = None
    """So many requests are left in the current window."""
    reset_seconds: float | None = None
    """The current window ends in so many seconds."""


def read_advice(headers: Mapping[str, str], now: float, *, is_refused: bool = False) -> Advice:
    """Read Retry-After and the rate-limit headers; `now` is in epoch seconds.

    Whoever refuses a request means the wait, whatever is said to remain.
    """
    retry_after = _delay(headers.get("retry-after"), now)
    remaining = _least(headers, _REMAINING)
    resets = [delay for name in _RESET if (delay := _delay(headers.get(name), now)) is not None]
    reset = max(resets) if resets else None
    wait = retry_after
    if wait is None and (remaining == 0 or is_refused):
        wait = reset
    return Advice(wait, remaining, reset)


def _least(headers: Mapping[str, str], names: tuple[str, ...]) -> int | None:
    counts = []
    for name in names:
        try:
            counts.append(int(float(headers[name])))
        except (KeyError, ValueError, OverflowError):
            continue
    return max(0, min(counts)) if counts else None


def _delay(text: str | None, now: float) -> float | None:
    """Seconds from now: of a wait, an epoch in seconds or milliseconds, or an HTTP date."""
    if text is None:
        return None
    try:
        number = float(text)
    except ValueError:
        return _until_date(text, now)
    if not 0 <= number < float("inf"):
        return None
    if number >= EPOCH_MILLISECONDS_FROM:
        number = number / 1000 - now
    elif number >= EPOCH_SECONDS_FROM:
        number -= now
    return max(0.0, number)


def _until_date(text: str, now: float) -> float | None:
    try:
        instant = parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    if instant.tzinfo is None:
        instant = instant.replace(tzinfo=UTC)
    return max(0.0, (instant - datetime.fromtimestamp(now, UTC)).total_seconds())

"""A token bucket per endpoint class, which learns from what the destination answers."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from reverse_etl.dispatch.headers import Advice


@dataclass(frozen=True)
class RateLimit:
    """So many requests in so many seconds, as the vendor counts them."""

    requests: float
    seconds: float = 1.0
    rows: float | None = None
    """So many rows in the same seconds, whatever the number of requests."""


SHARE = 0.98
"""How much of a limit is used: what is left absorbs requests that arrive closer together."""


class TokenBucket:
    """Paces requests so that no window of the limit, wherever it begins, holds too many.

    A bucket that fills while idle would allow its burst on top of the limit; so at most
    `burst` tokens are kept, and the pace is lowered by as much.
    """

    def __init__(
        self,
        limit: RateLimit | None,
        *,
        burst: int = 1,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`limit` None paces nothing until the destination asks for it."""
        self._clock = clock
        self._lock = threading.Lock()
        self._interval = 0.0
        self._row_interval = 0.0
        self._burst = burst
        if limit is not None:
            usable = max(limit.requests * SHARE - (burst - 1), limit.requests * 0.1)
            self._interval = limit.seconds / usable
            self._row_interval = limit.seconds / (limit.rows * SHARE) if limit.rows else 0.0
        self._next_at = clock()
        self._closed_until = 0.0

    @property
    def closed_seconds(self) -> float:
        """For how long the destination asked for silence."""
        return max(0.0, self._closed_until - self._clock())

    def take(self, requests: int = 1, rows: int = 0) -> float:
        """Take the next place and say how many seconds away it is.

        `requests` is how many of the vendor's places it takes.
        """
        with self._lock:
            now = self._clock()
            earliest = max(now - self._interval * (self._burst - 1), self._closed_until)
            at = max(self._next_at, earliest)
            self._next_at = at + max(self._interval * requests, self._row_interval * rows)
            return max(0.0, at - now)

    def learn(self, advice: Advice) -> None:
        """Follow the destination: be silent while it asks, and spread what it says is left."""
        with self._lock:
            now = self._clock()
            if advice.wait_seconds:
                self._closed_until = max(self._closed_until, now + advice.wait_seconds)
                self._next_at = max(self._next_at, self._closed_until)
            elif advice.remaining and advice.reset_seconds and self._interval:
                fair = advice.reset_seconds / advice.remaining
                if fair > self._interval:
                    self._next_at = max(self._next_at, now + fair)

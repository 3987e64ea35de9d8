"""A circuit breaker: a destination that is down is asked now and then, not by everybody."""

import threading
import time
from collections.abc import Callable

FAILURES = 5
LONGEST_PAUSE_SECONDS = 30.0


class Breaker:
    """Opens after consecutive failures, lets one request through after a pause that doubles."""

    def __init__(
        self,
        first_pause_seconds: float,
        patience_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Give up for good when it has been open for `patience_seconds`."""
        self._patience_seconds = patience_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        self._first_pause_seconds = first_pause_seconds
        self._pause_seconds = first_pause_seconds
        self._opened_at: float | None = None
        self._try_at = 0.0
        self.has_given_up = False

    def wait_seconds(self) -> float | None:
        """Seconds until the caller may try; 0 is go ahead, None is never in this run."""
        with self._lock:
            if self.has_given_up:
                return None
            if self._opened_at is None:
                return 0.0
            now = self._clock()
            if now < self._try_at:
                return self._try_at - now
            # this caller is the probe; the others wait for what it learns
            self._try_at = now + self._pause_seconds
            return 0.0

    def succeeded(self) -> None:
        """The destination answered."""
        with self._lock:
            self._failures = 0
            self._opened_at = None
            self._pause_seconds = self._first_pause_seconds

    def failed(self) -> None:
        """The destination could not be reached, or said that it is broken."""
        with self._lock:
            now = self._clock()
            self._failures += 1
            if self._failures < FAILURES:
                return
            if self._opened_at is None:
                self._opened_at = now
            elif now - self._opened_at >= self._patience_seconds:
                self.has_given_up = True
            else:
                self._pause_seconds = min(self._pause_seconds * 2, LONGEST_PAUSE_SECONDS)
            self._try_at = now + self._pause_seconds

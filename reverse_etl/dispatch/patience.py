"""When the next request may go, and when a run had better end."""

import random
import threading
import time
from dataclasses import dataclass, replace

from reverse_etl.destinations.base import Destination
from reverse_etl.dispatch.breaker import Breaker
from reverse_etl.dispatch.headers import Advice, read_advice
from reverse_etl.dispatch.rate import TokenBucket
from reverse_etl.model import Request, Response

POLL_SECONDS = 0.1


@dataclass(frozen=True)
class Tuning:
    """How patient a dispatcher is."""

    attempts: int = 5
    backoff_seconds: float = 0.5
    longest_backoff_seconds: float = 30.0
    longest_wait_seconds: float = 60.0
    """A destination that asks for a longer silence is left for the next run."""
    breaker_seconds: float = 1.0
    """The first pause of the circuit breaker; it doubles."""
    patience_seconds: float = 15.0
    """A destination that stays down for longer is left for the next run."""
    chunk: int = 1000
    window: int = 10_000
    """Operations that are claimed and not sent yet, at most."""


class Patience:
    """The limits of one destination and what it asks for, the circuit breaker, and the end.

    Safe to share among threads. All pauses follow the real clock, and end with the run.
    """

    def __init__(self, destination: Destination, tuning: Tuning, stop: threading.Event) -> None:
        """Setting `stop` ends the run in order."""
        self._name = destination.name
        self._capabilities = destination.capabilities
        self._tuning = tuning
        self._stop = stop
        self._breaker = Breaker(tuning.breaker_seconds, tuning.patience_seconds)
        self._buckets: dict[str, TokenBucket] = {}
        self._lock = threading.Lock()
        self._halted = threading.Event()
        self.problem: str | None = None
        """Why the run ended before its plan did, for a person."""

    @property
    def is_over(self) -> bool:
        """Whether nothing else is to be begun."""
        return self._halted.is_set() or self._stop.is_set()

    def halt(self, problem: str | None = None) -> None:
        """End the run; the first problem is the one that is told."""
        with self._lock:
            self.problem = self.problem or problem
        self._halted.set()

    def wait_for(self, request: Request) -> bool:
        """Wait for the breaker and the rate limit; False when this run will not send any more."""
        bucket = self._bucket(request)
        while not self.is_over:
            if bucket.closed_seconds > self._tuning.longest_wait_seconds:
                self.halt(
                    f"{self._name} asks us to wait {bucket.closed_seconds:.0f} s: "
                    "what is left is sent by a later run"
                )
                return False
            pause = self._breaker.wait_seconds()
            if pause is None:
                self.halt(
                    f"{self._name} is down: it failed for {self._tuning.patience_seconds:g} s; "
                    "what is left is sent by the next run"
                )
                return False
            if pause:
                self.pause(pause)
                continue
            return self.pause(bucket.take(request.cost, len(request.operations)))
        return False

    def learn(self, request: Request, response: Response) -> None:
        """Heed what an answer says about the next requests."""
        self._bucket(request).learn(self._advice(request, response))

    def answered(self) -> None:
        """The destination is up."""
        self._breaker.succeeded()

    def failed(self) -> None:
        """The destination could not be reached, or said that it is broken."""
        self._breaker.failed()

    def back_off(self, attempt: int) -> bool:
        """Pause before an attempt, the second or a later one; False when the run ends meanwhile.

        Full jitter: anywhere between nothing and a limit that doubles.
        """
        limit = self._tuning.backoff_seconds * 2 ** (attempt - 1)
        return self.pause(random.uniform(0, min(limit, self._tuning.longest_backoff_seconds)))

    def pause(self, seconds: float) -> bool:
        """Sleep; False when the run ends meanwhile."""
        until = time.monotonic() + seconds
        while not self.is_over:
            left = until - time.monotonic()
            if left <= 0:
                return True
            self._halted.wait(min(left, POLL_SECONDS))
        return False

    def _bucket(self, request: Request) -> TokenBucket:
        with self._lock:
            if request.endpoint_class not in self._buckets:
                limit = self._capabilities.rate_limits.get(request.endpoint_class)
                self._buckets[request.endpoint_class] = TokenBucket(limit)
            return self._buckets[request.endpoint_class]

    def _advice(self, request: Request, response: Response) -> Advice:
        """What an answer says, or what its silence means."""
        is_refused = response.status == 429
        advice = read_advice(response.headers, time.time(), is_refused=is_refused)
        if is_refused and advice.wait_seconds is None:
            pause = self._capabilities.pauses.get(request.endpoint_class)
            return replace(advice, wait_seconds=pause)
        return advice

"""Rate limits: so many requests in a window of so many seconds, windows laid end to end."""

from collections import deque
from dataclasses import dataclass, field


@dataclass
class Limit:
    """One limit and its window of the moment. Not thread-safe: the vendor's lock guards it.

    Windows are those of the clock, as vendors count them. `crowded_count` is stricter: it counts
    the requests that were one too many in a window that begins anywhere.
    """

    requests: int
    seconds: float
    window: int = -1
    used: int = 0
    taken_count: int = 0
    refused_count: int = 0
    crowded_count: int = 0
    recent: deque[float] = field(default_factory=deque, repr=False)

    def take(self, now: float) -> bool:
        """Use one request of the window; False when none is left. `now` is epoch seconds."""
        window = int(now // self.seconds)
        if window != self.window:
            self.window, self.used = window, 0
        if self.used >= self.requests:
            self.refused_count += 1
            return False
        self.used += 1
        self.taken_count += 1
        self.recent.append(now)
        if len(self.recent) > self.requests:
            self.crowded_count += now - self.recent.popleft() < self.seconds
        return True

    @property
    def remaining(self) -> int:
        """How many requests the window still holds."""
        return max(0, self.requests - self.used)

    @property
    def resets_at(self) -> float:
        """When the next window begins, in epoch seconds."""
        return (self.window + 1) * self.seconds

    def counts(self) -> dict[str, float]:
        """Say what the limit is and how it was kept."""
        return {
            "requests": self.requests,
            "seconds": self.seconds,
            "taken_count": self.taken_count,
            "refused_count": self.refused_count,
            "crowded_count": self.crowded_count,
        }

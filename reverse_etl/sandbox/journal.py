"""The requests that came: every one counted, the latest kept."""

import json
import threading
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from reverse_etl.sandbox.wire import Request

KEPT_REQUESTS = 10_000
KEPT_BYTES = 64_000_000
KEPT_TEXT_LENGTH = 20_000
SECRET_HEADERS = frozenset(
    {"authorization", "api-key", "x-api-key", "x-pendo-integration-key", "cookie"}
)


@dataclass(frozen=True)
class Entry:
    """One request, and how it ended for the sender: answered, or what befell it instead."""

    number: int
    received_at: datetime
    destination: str
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body_bytes: bytes
    status: int | None
    outcome: str
    took_effect: bool

    @property
    def body(self) -> Any:
        """The body as JSON, else as text; long ones are cut."""
        try:
            return json.loads(self.body_bytes)
        except ValueError:
            return self.body_bytes[:KEPT_TEXT_LENGTH].decode(errors="replace")

    def document(self) -> dict[str, Any]:
        """Give the entry as JSON can hold it."""
        values = asdict(self) | {"received_at": self.received_at.isoformat(), "body": self.body}
        del values["body_bytes"]
        return values


class Journal:
    """The latest requests, and how many there were of each kind."""

    def __init__(self, kept: int = KEPT_REQUESTS, kept_bytes: int = KEPT_BYTES):
        """Keep so many requests, and so many bytes of bodies; older ones are only counted."""
        self.lock = threading.Lock()
        self.most = kept
        self.most_bytes = kept_bytes
        self.entries: deque[Entry] = deque()
        self.clear()

    def clear(self) -> None:
        """Forget every request."""
        with self.lock:
            self.entries.clear()
            self.byte_count = 0
            self.total = 0
            self.counts: Counter[tuple[str, int | None, str]] = Counter()

    def add(
        self,
        destination: str,
        request: Request,
        path: str,
        status: int | None,
        outcome: str,
        took_effect: bool,
    ) -> None:
        """Record one request and how it ended."""
        with self.lock:
            self.total += 1
            self.counts[destination, status, outcome] += 1
            entry = Entry(
                number=self.total,
                received_at=datetime.now(UTC),
                destination=destination,
                method=request.method,
                path=path,
                query=request.query,
                headers=masked(request.headers),
                body_bytes=request.body,
                status=status,
                outcome=outcome,
                took_effect=took_effect,
            )
            self.entries.append(entry)
            self.byte_count += len(entry.body_bytes)
            while len(self.entries) > self.most or self.byte_count > self.most_bytes:
                self.byte_count -= len(self.entries.popleft().body_bytes)

    def of(self, destination: str | None = None) -> list[Entry]:
        """Give the kept requests, oldest first."""
        with self.lock:
            return [entry for entry in self.entries if destination in (None, entry.destination)]

    def count(self, destination: str | None = None) -> int:
        """Count the requests that came, kept or not."""
        with self.lock:
            return sum(count for key, count in self.counts.items() if destination in (None, key[0]))

    def summary(self) -> dict[str, dict[str, int]]:
        """Count per destination by status and outcome: `200 answered`, `- reset`."""
        summary: dict[str, dict[str, int]] = {}
        with self.lock:
            for (destination, status, outcome), count in sorted(
                self.counts.items(), key=lambda item: (item[0][0], item[0][1] or 0, item[0][2])
            ):
                summary.setdefault(destination, {})[f"{status or '-'} {outcome}"] = count
        return summary


def masked(headers: Mapping[str, str]) -> dict[str, str]:
    """Hide the values of headers that carry credentials."""
    return {
        name: "(masked)" if name in SECRET_HEADERS else value for name, value in headers.items()
    }

"""Faults on demand: which requests go wrong, and how."""

import random
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

KINDS = {
    "429": "answers 429, in the vendor's own header form or in the one asked for",
    "5xx": "answers `status` (503)",
    "timeout": "says nothing for `seconds` (60), then closes",
    "reset": "resets the connection (RST) before doing anything",
    "commit_then_drop": "does what was asked, then closes without an answer",
    "slow": "does what was asked, and answers after `seconds` (2)",
    "malformed": "does what was asked, and answers `status` (200) with something that is not JSON",
    "truncated": "does what was asked, and closes in the middle of the answer",
    "reject": "refuses the rows of `users`, as the vendor refuses a row",
}
COMMITTING = frozenset({"commit_then_drop", "slow", "malformed", "truncated"})
RETRY_AFTER_FORMS = ("vendor", "seconds", "date", "none")


class BadFault(ValueError):
    """A fault that nobody could have meant."""


@dataclass
class Fault:
    """One way in which requests go wrong, for as long as `times` lasts.

    `path` is a regular expression searched in the path below the destination; `skip` lets that
    many matching requests pass first; `after_commit` makes a 5xx or a time-out come after the
    request took effect. `seconds` is how long to wait: before the answer, or before a retry.
    """

    kind: str
    destination: str = "*"
    path: str = ""
    method: str = ""
    times: int | None = 1
    skip: int = 0
    probability: float = 1.0
    status: int | None = None
    seconds: float | None = None
    retry_after: str = "vendor"
    after_commit: bool = False
    users: tuple[str, ...] = ()
    id: int = 0
    hits: int = 0

    def __post_init__(self) -> None:
        """Refuse what makes no sense, naming what would."""
        if self.kind not in KINDS:
            raise BadFault(f"kind {self.kind!r} is none of {', '.join(KINDS)}")
        if self.retry_after not in RETRY_AFTER_FORMS:
            raise BadFault(f"retry_after is none of {', '.join(RETRY_AFTER_FORMS)}")
        if not 0 <= self.probability <= 1:
            raise BadFault("probability is not between 0 and 1")
        if (self.kind == "reject") != bool(self.users):
            raise BadFault("`users` belongs to kind reject, and kind reject needs it")
        try:
            re.compile(self.path)
        except re.error as error:
            raise BadFault(f"path is no regular expression: {error}") from None
        self.users = tuple(self.users)

    @classmethod
    def parse(cls, document: Any) -> "Fault":
        """Read a fault from a JSON object."""
        if not isinstance(document, Mapping) or "kind" not in document:
            raise BadFault(f"a fault is an object with a kind: {', '.join(KINDS)}")
        known = {item.name for item in fields(cls)} - {"id", "hits"}
        if unknown := sorted(set(document) - known):
            raise BadFault(f"unknown: {', '.join(unknown)}; known: {', '.join(sorted(known))}")
        return cls(**document)

    @property
    def commits(self) -> bool:
        """Say whether the request takes effect all the same."""
        return self.kind in COMMITTING or self.after_commit

    def fits(self, destination: str, method: str, path: str) -> bool:
        """Say whether a request is one of those that go wrong."""
        return (
            self.destination in ("*", destination)
            and self.method.upper() in ("", method)
            and re.search(self.path, path) is not None
        )


@dataclass
class Faults:
    """The faults that are switched on, in the order in which they were."""

    rng: random.Random = field(default_factory=lambda: random.Random(0))
    active: list[Fault] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    last_id: int = 0

    def add(self, fault: Fault) -> Fault:
        """Switch a fault on."""
        with self.lock:
            self.last_id += 1
            fault.id = self.last_id
            # a new list: readers without the lock see the one or the other
            self.active = [*self.active, fault]
        return fault

    def clear(self, destination: str | None = None) -> None:
        """Switch off all faults, or those of one destination."""
        with self.lock:
            self.active = [
                fault for fault in self.active if destination not in (None, fault.destination)
            ]

    def take(self, destination: str, method: str, path: str) -> Fault | None:
        """Give the fault that befalls this request, if any, and count it."""
        if not self.active:
            return None
        with self.lock:
            for fault in self.active:
                if fault.kind == "reject" or not fault.fits(destination, method, path):
                    continue
                if fault.skip > 0:
                    fault.skip -= 1
                    continue
                if fault.probability < 1 and self.rng.random() >= fault.probability:
                    continue
                self._count(fault)
                return fault
        return None

    def rejects(self, destination: str, user: str) -> bool:
        """Say whether the rows of this user are refused, and count the refusal."""
        if not self.active:
            return False
        with self.lock:
            for fault in self.active:
                if (
                    fault.kind == "reject"
                    and fault.destination in ("*", destination)
                    and user in fault.users
                ):
                    self._count(fault)
                    return True
        return False

    def _count(self, fault: Fault) -> None:
        fault.hits += 1
        if fault.times is not None:
            fault.times -= 1
            if fault.times <= 0:
                self.active = [other for other in self.active if other is not fault]

"""Whether one more message would exceed a cap: pure, exact to the microsecond."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from reverse_etl.assignment import assigned_place
from reverse_etl.model import Scope
from warehouse.errors import KairosError

SCOPES = ("all", "channel", "tag", "tier", "trigger", "session", "account")
WINDOW_KINDS = ("rolling", "calendar_day", "calendar_week", "session", "lifetime")
LONGEST_CALENDAR_WINDOW = timedelta(days=8)
"""A calendar week with its clock changes is shorter than this."""


@dataclass(frozen=True)
class Cap:
    """One row of `caps_in_force`. `maximum` None switches it off, 0 lets nothing through."""

    cap_name: str
    scope: str
    scope_value: str = "*"
    window_kind: str = "rolling"
    window_seconds: float | None = None
    time_zone: str = "user"
    maximum: int | None = None
    hash_seed: str | None = None
    """With the bucket, the arm of an experiment to whose people the cap is confined."""
    bucket_from: float | None = None
    bucket_to: float | None = None

    def __post_init__(self) -> None:
        """Refuse a row that could only be guessed at: a guard must not guess."""
        if self.scope not in SCOPES:
            raise KairosError(f"cap {self.cap_name}: scope must be one of {', '.join(SCOPES)}")
        if self.window_kind not in WINDOW_KINDS:
            kinds = ", ".join(WINDOW_KINDS)
            raise KairosError(f"cap {self.cap_name}: window_kind must be one of {kinds}")
        if self.window_kind == "rolling" and not self.window_seconds:
            raise KairosError(f"cap {self.cap_name}: a rolling window needs window_seconds")

    @property
    def window(self) -> timedelta:
        """The length of a rolling window."""
        return timedelta(seconds=float(self.window_seconds or 0))

    def is_for(self, user_key: str) -> bool:
        """Whether it holds for somebody: a cap of an arm is for the people in that arm."""
        if self.hash_seed is None or self.bucket_from is None or self.bucket_to is None:
            return True
        return self.bucket_from <= assigned_place(self.hash_seed, user_key) < self.bucket_to


@dataclass(frozen=True)
class Reserved:
    """A message that counts: whose it is, when it was reserved, what it is counted by."""

    user_key: str
    reserved_at: datetime
    scope: Scope


def read_caps(rows: Iterable[Mapping[str, Any]]) -> list[Cap]:
    """Make caps of the rows of `caps_in_force`."""
    return [Cap(**row) for row in rows]


class Guard:
    """The caps, and the clock on the wall of people whose own time zone is unknown."""

    def __init__(self, caps: Sequence[Cap], project_time_zone: str = "UTC") -> None:
        """`project_time_zone` is an IANA name; an unknown one is an error."""
        self.caps = tuple(caps)
        self.project_zone = ZoneInfo(project_time_zone)

    @property
    def counts_accounts(self) -> bool:
        """Whether other people's messages matter."""
        return any(cap.scope == "account" for cap in self.caps)

    @property
    def reach(self) -> timedelta | None:
        """How far from now a reservation can still matter; None is for ever."""
        if any(cap.window_kind == "lifetime" for cap in self.caps):
            return None
        rolling = [cap.window for cap in self.caps if cap.window_kind == "rolling"]
        return max([LONGEST_CALENDAR_WINDOW, *rolling])

    def blocked_by(
        self, user_key: str, scope: Scope, at: datetime, history: Sequence[Reserved]
    ) -> str | None:
        """Name the first cap that one more message at `at` would exceed.

        `history` may hold reservations later than `at` (a backfill, a clock that is behind): they
        count in every window that they share with `at`.
        """
        if scope.bypass_caps:
            return None
        for cap in self.caps:
            if cap.maximum is None or not cap.is_for(user_key):
                continue
            for counted in self._comparable(cap, user_key, scope):
                instants = [r.reserved_at for r in history if counted(r)]
                if self._count(cap, scope, at, instants) >= cap.maximum:
                    return cap.cap_name
        return None

    def _count(self, cap: Cap, scope: Scope, at: datetime, instants: Sequence[datetime]) -> int:
        """Most messages, without the one asked about, in any window that holds `at`."""
        if cap.window_kind == "rolling":
            return _fullest_window(instants, at, cap.window)
        if cap.window_kind in ("calendar_day", "calendar_week"):
            zone = self._zone(cap, scope)
            period = _day if cap.window_kind == "calendar_day" else _week
            here = period(at.astimezone(zone))
            return sum(period(instant.astimezone(zone)) == here for instant in instants)
        return len(instants)

    def _zone(self, cap: Cap, scope: Scope) -> ZoneInfo:
        # an account has no clock of its own
        if cap.time_zone == "user" and cap.scope != "account" and scope.time_zone:
            return known_zone(scope.time_zone) or self.project_zone
        return self.project_zone

    def _comparable(
        self, cap: Cap, user_key: str, scope: Scope
    ) -> Iterator[Callable[[Reserved], bool]]:
        """Yield a test for each group of messages in which this cap counts this candidate."""
        if cap.window_kind == "session" and scope.session_id is None:
            return

        def in_window(r: Reserved) -> bool:
            return cap.window_kind != "session" or r.scope.session_id == scope.session_id

        if cap.scope == "all":
            yield lambda r: r.user_key == user_key and in_window(r)
        elif cap.scope == "tag":
            for tag in scope.tags:
                if cap.scope_value in ("*", tag):
                    yield (
                        lambda r, tag=tag: (
                            r.user_key == user_key and tag in r.scope.tags and in_window(r)
                        )
                    )
        else:
            attribute = _ATTRIBUTES[cap.scope]
            value = getattr(scope, attribute)
            if value is not None and cap.scope_value in ("*", value):
                is_shared = cap.scope == "account"
                yield (
                    lambda r: (
                        (is_shared or r.user_key == user_key)
                        and getattr(r.scope, attribute) == value
                        and in_window(r)
                    )
                )


_ATTRIBUTES = {
    "channel": "channel",
    "tier": "tier",
    "trigger": "trigger_name",
    "session": "session_id",
    "account": "account_id",
}


@lru_cache(maxsize=1024)
def known_zone(name: str) -> ZoneInfo | None:
    """The zone of an IANA name, or None: a user's broken time zone must not stop a run."""
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError):
        return None


def _fullest_window(instants: Sequence[datetime], at: datetime, window: timedelta) -> int:
    """Count the others in the fullest half-open window of this length that holds `at`."""
    near = [instant for instant in instants if abs(instant - at) < window]
    starts = [instant for instant in near if instant <= at] + [at]
    return max(
        sum(timedelta(0) <= instant - start < window for instant in near) for start in starts
    )


def _day(local: datetime) -> tuple[int, ...]:
    return (local.year, local.month, local.day)


def _week(local: datetime) -> tuple[int, ...]:
    return local.isocalendar()[:2]

"""Deciding, slowly and obviously: one candidate after the other, one message after the other."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from reverse_etl.assignment import assigned_place

TIERS = {"urgent": 1, "high": 2, "low": 3}
PROJECT = ZoneInfo("UTC")


@dataclass(frozen=True)
class Person:
    user_key: str
    account_id: str | None
    time_zone: str | None
    email_hash: str | None = None
    refuses: str | None = None
    """A channel, or `messages` for all of them."""
    is_known: bool = True

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone) if self.time_zone else PROJECT


@dataclass(frozen=True)
class Moment:
    trigger: str
    person: Person
    session: str
    when: datetime


@dataclass(frozen=True)
class Message:
    moment: Moment
    settings: dict
    when: datetime
    is_ghost: bool


@dataclass
class Limit:
    name: str
    scope: str
    scope_value: str
    window_kind: str
    window_seconds: int | None
    time_zone: str
    maximum: int
    is_cap: bool
    arm: str | None = None
    """Whose cap it is; everybody's when there is none."""


@dataclass
class Oracle:
    triggers: dict[str, dict]
    caps: list[Limit]
    quiet_channel: str | None
    quiet_from: int
    quiet_to: int
    seed: str
    control_share: float
    wide_awake: str | None = None
    """The tier that quiet hours do not hold back."""
    holdout_share: float = 0
    happened: list[tuple[Person, str, datetime]] = field(default_factory=list)
    scores: dict[str, list[tuple[datetime, float]]] = field(default_factory=dict)
    """By session: when a score was computed, and what it was."""
    bots: dict[str, tuple[datetime, datetime]] = field(default_factory=dict)
    """By session: from when until when it looked like a bot's."""
    suppressed: dict[Person, tuple[str, datetime]] = field(default_factory=dict)
    """The channel on which somebody gets nothing, or `*`, and since when."""
    retracted: set[Moment] = field(default_factory=set)
    controls: set[str] = field(default_factory=set)
    messages: list[Message] = field(default_factory=list)
    waiting: dict[Moment, datetime] = field(default_factory=dict)
    ended: set[Moment] = field(default_factory=set)

    def decide(
        self, moments: set[Moment], now: datetime, last_resort: Mapping[Moment, str] | None = None
    ) -> dict[Moment, tuple[str, str, datetime | None]]:
        """Return the outcome, reason and end of waiting of whatever is due.

        `last_resort` orders what tier, priority, score and moment leave equal.
        """
        ids = last_resort or {}
        due = [
            moment
            for moment in moments
            if moment not in self.ended
            and moment.when <= now
            and self.waiting.get(moment, now) <= now
        ]
        due.sort(
            key=lambda m: (
                TIERS[self.triggers[m.trigger]["tier"]],
                -self.triggers[m.trigger]["priority"],
                -self.score(m),
                m.when,
                m.trigger,
                ids.get(m, m.person.user_key),
            )
        )
        before = list(self.messages)
        outcomes = {}
        for moment in due:
            outcome, reason, until = self.judge(moment, now, before)
            outcomes[moment] = (outcome, reason, until)
            if self.is_control(moment, self.triggers[moment.trigger]):
                self.controls.add(moment.person.user_key)
            self.waiting.pop(moment, None)
            if outcome == "deferred":
                self.waiting[moment] = until
            else:
                self.ended.add(moment)
            if outcome in ("send", "ghost"):
                settings = self.triggers[moment.trigger]
                self.messages.append(Message(moment, settings, now, outcome == "ghost"))
        return outcomes

    def judge(
        self, moment: Moment, now: datetime, before: list[Message]
    ) -> tuple[str, str, datetime | None]:
        settings = self.triggers[moment.trigger]
        if refusal := self.refusal(moment, settings, now):
            return "suppressed", refusal, None
        due = moment.when + timedelta(seconds=settings["delay_seconds"])
        expires = None
        if settings["expiry_seconds"] is not None:
            expires = due + timedelta(seconds=settings["expiry_seconds"])
        if expires is not None and now >= expires:
            return "suppressed", "expired", None
        if now < due:
            return "deferred", "not_due", due
        if moment in self.retracted:
            return "suppressed", "retracted", None
        if any(
            person == moment.person
            and name in (settings.get("exit_events") or "").split("|")
            and moment.when <= when <= now
            for person, name, when in self.happened
        ):
            return "suppressed", "exited", None
        is_held_out = self.is_held_out(moment, settings)
        is_ghost = is_held_out or self.is_control(moment, settings)

        full = []
        for limit in self.limits(moment, settings):
            if limit.is_cap and settings["bypass_caps"]:
                continue
            for facet in self.facets(limit, moment, settings):
                used = [
                    message
                    for message in self.messages
                    if self.counts(limit, facet, moment, message, now)
                    and (is_ghost or not message.is_ghost)
                ]
                if len(used) >= limit.maximum:
                    full.append((limit, [m for m in used if m in before]))
        by_history = [(limit, used) for limit, used in full if len(used) >= limit.maximum]
        own = [limit.name for limit, _ in by_history if not limit.is_cap]
        if own:
            return "suppressed", own[0], None
        if full:
            reason = "cap_reached" if by_history else "outranked"
            return self.wait_for_room(by_history or full, reason, moment, settings, now, expires)

        wakes = self.wakes_at(moment, settings, now)
        if wakes is not None:
            is_in_time = expires is None or wakes < expires
            return (
                ("deferred" if is_in_time else "suppressed"),
                "quiet_hours",
                (wakes if is_in_time else None),
            )
        if not is_ghost:
            return "send", "passed", None
        return "ghost", ("holdout" if is_held_out else "control"), None

    def refusal(self, moment: Moment, settings: dict, now: datetime) -> str | None:
        """Return why nothing of the kind is ever sent to such a person, if so."""
        if not moment.person.is_known:
            return "unknown_person"
        start, end = self.bots.get(moment.session, (now, now))
        if start <= moment.when < end:
            return "bot"
        channel, since = self.suppressed.get(moment.person, ("", now))
        if channel in ("*", settings["channel"]) and since <= now:
            return "suppression_list"
        if moment.person.refuses in ("messages", settings["channel"]):
            return "no_consent"
        return None if settings.get("is_enabled", True) else "disabled"

    def score(self, moment: Moment) -> float:
        """Return the session's score as it stood at the moment; having none comes last."""
        known = [s for s in self.scores.get(moment.session, ()) if s[0] <= moment.when]
        return max(known)[1] if known else -1

    def is_control(self, moment: Moment, settings: dict) -> bool:
        """Whether somebody is in the control: for good, if they ever were."""
        user = moment.person.user_key
        return settings["experiment"] is not None and (
            user in self.controls or assigned_place(self.seed, user) < self.control_share
        )

    def is_held_out(self, moment: Moment, settings: dict) -> bool:
        """Two people with one address are one here; what is tagged `y` is exempt."""
        address = moment.person.email_hash or moment.person.user_key
        is_exempt = "y" in (settings["tags"] or "")
        return not is_exempt and assigned_place("holdout", address) < self.holdout_share

    def wait_for_room(self, full, reason, moment, settings, now, expires):
        if settings["on_capped"] != "defer":
            return "suppressed", reason, None
        frees = []
        for limit, used in full:
            if limit.window_kind == "rolling":
                start = min((m.when for m in used), default=now)
                frees.append(start + timedelta(seconds=limit.window_seconds))
            elif limit.window_kind.startswith("calendar"):
                zone = self.zone(limit, moment)
                local = now.astimezone(zone).replace(tzinfo=None)
                midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
                days = 1 if limit.window_kind == "calendar_day" else 7 - local.weekday()
                wall = (midnight + timedelta(days=days)).replace(tzinfo=zone)
                frees.append(wall.astimezone(UTC))
            else:
                return "suppressed", reason, None
        if expires is not None and max(frees) >= expires:
            return "suppressed", reason, None
        return "deferred", reason, max(frees)

    def limits(self, moment: Moment, settings: dict) -> list[Limit]:
        own = []
        if settings["cooldown_seconds"]:
            seconds = settings["cooldown_seconds"]
            own.append(
                Limit(
                    "cooling_down", "trigger", moment.trigger, "rolling", seconds, "user", 1, False
                )
            )
        again = settings["re_eligible_after_seconds"]
        if again is None:
            own.append(self.once(moment, "lifetime", None))
        elif again:
            own.append(self.once(moment, "rolling", again))
        return own + [cap for cap in self.caps if self.is_for(cap, moment.person)]

    def once(self, moment: Moment, window_kind: str, window_seconds: int | None) -> Limit:
        name = "not_eligible_again"
        return Limit(name, "trigger", moment.trigger, window_kind, window_seconds, "user", 1, False)

    def is_for(self, cap: Limit, person: Person) -> bool:
        """Whether a cap is everybody's, or of the control and the person is dealt into it."""
        return cap.arm is None or assigned_place(self.seed, person.user_key) < self.control_share

    def facets(self, limit: Limit, moment: Moment, settings: dict) -> list[str]:
        if limit.window_kind == "session" and moment.session is None:
            return []
        if limit.scope == "account":
            return ["*"] if moment.person.account_id else []
        if limit.scope in ("all", "session"):
            return ["*"]
        values = {
            "trigger": [moment.trigger],
            "tier": [settings["tier"]],
            "channel": [settings["channel"]],
            "tag": (settings["tags"] or "").split("|") if settings["tags"] else [],
        }[limit.scope]
        return [value for value in values if limit.scope_value in ("*", value)]

    def counts(self, limit, facet, moment, message, now) -> bool:
        other = message.moment
        if limit.is_cap and not message.settings["counts_toward_caps"]:
            return False
        if facet not in self.facets(limit, other, message.settings):
            return False
        if not self.is_for(limit, other.person):
            return False
        if limit.scope == "account":
            if other.person.account_id != moment.person.account_id:
                return False
        elif limit.scope == "session":
            if other.session != moment.session:
                return False
        elif other.person != moment.person:
            return False
        if limit.window_kind == "rolling":
            return abs((now - message.when).total_seconds()) < limit.window_seconds
        if limit.window_kind == "session":
            return other.session == moment.session
        if limit.window_kind == "lifetime":
            return True
        zone = self.zone(limit, moment)
        here, there = now.astimezone(zone).date(), message.when.astimezone(zone).date()
        if limit.window_kind == "calendar_day":
            return here == there
        return here.isocalendar()[:2] == there.isocalendar()[:2]

    def zone(self, limit: Limit, moment: Moment) -> ZoneInfo:
        if limit.time_zone == "project" or limit.scope == "account":
            return PROJECT
        return moment.person.zone

    def wakes_at(self, moment: Moment, settings: dict, now: datetime) -> datetime | None:
        if settings["channel"] != self.quiet_channel or settings["tier"] == self.wide_awake:
            return None
        local = now.astimezone(moment.person.zone).replace(tzinfo=None)
        midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
        hour = (local - midnight).total_seconds() / 3600
        if self.quiet_from < self.quiet_to:
            is_quiet = self.quiet_from <= hour < self.quiet_to
        else:
            is_quiet = hour >= self.quiet_from or hour < self.quiet_to
        if not is_quiet:
            return None
        days = 1 if hour >= self.quiet_to else 0
        wall = midnight + timedelta(days=days, hours=self.quiet_to)
        return wall.replace(tzinfo=moment.person.zone).astimezone(UTC)

"""What a vendor holds: the truth by which deliveries are judged, exact and never bounded."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Witness:
    """Memberships, profiles and events of one destination.

    `events` counts how often each key took effect: more than once means that somebody was reached
    twice. `deduplicated_count` counts what arrived again and was recognised by the vendor's own
    key. Where a message carries no key of ours, its event and user stand for it.
    """

    members: dict[str, set[str]] = field(default_factory=dict)
    profiles: dict[str, dict[str, Any]] = field(default_factory=dict)
    events: Counter[str] = field(default_factory=Counter)
    events_by_name: Counter[str] = field(default_factory=Counter)
    deduplicated_count: int = 0
    redundant_count: int = 0
    deleted: set[str] = field(default_factory=set)
    changes: list[tuple[str, tuple[Any, ...]]] = field(default_factory=list, repr=False)
    """The calls of the methods below since `take_changes`: whoever keeps a log replays them."""

    def add(self, audience: str, user: str) -> None:
        """Make a user a member; being one already changes nothing and is counted."""
        self.changes.append(("add", (audience, user)))
        members = self.members.setdefault(audience, set())
        self.redundant_count += user in members
        members.add(user)

    def remove(self, audience: str, user: str) -> None:
        """End a membership; not being a member changes nothing and is counted."""
        self.changes.append(("remove", (audience, user)))
        members = self.members.setdefault(audience, set())
        self.redundant_count += user not in members
        members.discard(user)

    def update(self, user: str, attributes: dict[str, Any]) -> None:
        """Set attributes of a profile; null removes one."""
        self.changes.append(("update", (user, attributes)))
        profile = self.profiles.setdefault(user, {})
        profile.update(attributes)
        for name in [name for name, value in attributes.items() if value is None]:
            del profile[name]

    def record(self, key: str, name: str) -> None:
        """Let an event take effect."""
        self.changes.append(("record", (key, name)))
        self.events[key] += 1
        self.events_by_name[name] += 1

    def record_once(self, key: str, name: str) -> bool:
        """Let an event take effect unless the vendor has seen its key; say whether it did."""
        if key in self.events:
            self.repeat()
            return False
        self.record(key, name)
        return True

    def repeat(self) -> None:
        """Count an event that the vendor knew again."""
        self.changes.append(("repeat", ()))
        self.deduplicated_count += 1

    def replace(self, audience: str, users: list[str]) -> None:
        """Make these the members, and nobody else."""
        self.changes.append(("replace", (audience, users)))
        self.members[audience] = set(users)

    def forget(self, user: str) -> None:
        """Delete a user: their profile and every membership."""
        self.changes.append(("forget", (user,)))
        self.profiles.pop(user, None)
        for members in self.members.values():
            members.discard(user)
        self.deleted.add(user)

    def take_changes(self) -> list[tuple[str, tuple[Any, ...]]]:
        """Give the changes since the last call."""
        changes, self.changes = self.changes, []
        return changes

    def counts(self) -> dict[str, Any]:
        """Give the numbers alone."""
        return {
            "members": {audience: len(users) for audience, users in sorted(self.members.items())},
            "profile_count": len(self.profiles),
            "event_count": sum(self.events.values()),
            "events_by_name": dict(sorted(self.events_by_name.items())),
            "repeated_event_count": sum(self.events.values()) - len(self.events),
            "deduplicated_count": self.deduplicated_count,
            "redundant_count": self.redundant_count,
            "deleted_count": len(self.deleted),
        }

    def dump(self) -> dict[str, Any]:
        """Give everything, as JSON can hold it."""
        return {
            "members": {
                audience: sorted(users) for audience, users in sorted(self.members.items())
            },
            "profiles": self.profiles,
            "events": dict(self.events),
            "events_by_name": dict(self.events_by_name),
            "deduplicated_count": self.deduplicated_count,
            "redundant_count": self.redundant_count,
            "deleted": sorted(self.deleted),
        }

    @classmethod
    def load(cls, document: dict[str, Any]) -> "Witness":
        """Read what `dump` gave."""
        return cls(
            members={audience: set(users) for audience, users in document["members"].items()},
            profiles=document["profiles"],
            events=Counter(document["events"]),
            events_by_name=Counter(document["events_by_name"]),
            deduplicated_count=document["deduplicated_count"],
            redundant_count=document["redundant_count"],
            deleted=set(document["deleted"]),
        )

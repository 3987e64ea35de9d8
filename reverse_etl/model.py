"""The words of delivery: an operation, a request that carries some, what became of them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import Any


class Kind(StrEnum):
    """What an operation is about: a message sent once, a membership, or attributes."""

    MOMENT = "moment"
    AUDIENCE = "audience"
    PROFILE = "profile"


class State(StrEnum):
    """Where an operation stands; every planned operation ends in exactly one of these."""

    PLANNED = "planned"
    RESERVED = "reserved"
    IN_FLIGHT = "in_flight"
    ACCEPTED = "accepted"
    DELIVERED = "delivered"
    SHOWN = "shown"
    REJECTED = "rejected"
    RETRYABLE = "retryable"
    UNKNOWN = "unknown"
    INVALID = "invalid"
    SUPPRESSED = "suppressed"
    EXPIRED = "expired"


FINAL_STATES = frozenset(
    {State.ACCEPTED, State.DELIVERED, State.SHOWN, State.SUPPRESSED, State.EXPIRED}
)
"""States that no later run leaves; `rejected` and `invalid` are tried again when planned again."""

GIVES_BACK = (State.REJECTED, State.INVALID, State.SUPPRESSED)
"""States of a message that takes no place under the caps."""

UNREPORTED_STATES = (State.IN_FLIGHT, State.RETRYABLE, State.UNKNOWN, State.ACCEPTED)
"""States of a message that was sent, or perhaps was, before its platform reports how far it got."""


@dataclass(frozen=True)
class Scope:
    """What caps count a message by, as it was when the decision was made."""

    trigger_name: str | None = None
    channel: str | None = None
    tags: tuple[str, ...] = ()
    tier: str | None = None
    session_id: str | None = None
    account_id: str | None = None
    time_zone: str | None = None
    bypass_caps: bool = False
    counts_toward_caps: bool = True

    @classmethod
    def parse(cls, text: str | None) -> "Scope":
        """Read the plan's `scope` column; unknown keys are left to later versions."""
        values = json.loads(text) if text else {}
        known = {name: values[name] for name in cls.__dataclass_fields__ if name in values}
        if known.get("tags") is not None:
            known["tags"] = tuple(known["tags"])
        return cls(**{name: value for name, value in known.items() if value is not None})


@dataclass(frozen=True)
class Operation:
    """One row of the plan. Instants are aware and UTC; the payload is personal data."""

    operation_id: str
    idempotency_key: str
    destination: str
    kind: Kind
    operation: str
    object_key: str
    user_key: str = field(repr=False)
    decision_id: str | None
    payload_text: str = field(repr=False)
    payload_hash: str
    scope_text: str | None
    decided_at: datetime | None
    planned_at: datetime
    expires_at: datetime | None
    sequence_number: int
    is_retry: bool = False
    field_names: str | None = None
    """Of a profile, the JSON list of the fields that the platform holds once it has taken it."""

    @cached_property
    def payload(self) -> Mapping[str, Any]:
        """The mapped columns, parsed when a destination first asks for them."""
        return json.loads(self.payload_text) if self.payload_text else {}

    @cached_property
    def scope(self) -> Scope:
        """What caps count this operation by."""
        return Scope.parse(self.scope_text)


@dataclass(frozen=True)
class Request:
    """Something to send, in no transport's own words: HTTP reads all of it, a bus the body."""

    operations: tuple[Operation, ...] = field(repr=False)
    url: str = field(repr=False)
    body: Any = field(default=None, repr=False)
    method: str = "POST"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    endpoint_class: str = "default"
    serial_key: str | None = None
    """Requests that share it are never under way at the same time."""
    cost: int = 1
    """How many requests of the vendor's limit it takes, at most."""


@dataclass(frozen=True)
class Response:
    """What came back; header names are lower case."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = field(default=b"", repr=False)

    def json(self) -> Any:
        """Parse the body; ValueError where it is not JSON."""
        return json.loads(self.body)


@dataclass(frozen=True)
class Result:
    """What became of one operation."""

    state: State
    http_status: int | None = None
    error_code: str | None = None
    error_message: str | None = None

"""Segment: the HTTP tracking API, in batches."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any, ClassVar

from reverse_etl.destinations._vendor import (
    Vendor,
    basic,
    dumped,
    iso,
    packed,
    properties,
    short_key,
    too_large,
)
from reverse_etl.destinations.base import Capabilities, Dedupe, pairs, setting, whole_number
from reverse_etl.dispatch.rate import RateLimit
from reverse_etl.model import Kind, Operation, Request, Response, Result

HOSTS = MappingProxyType(
    {"us": "https://api.segment.io", "eu": "https://events.eu1.segmentapis.com"}
)
LARGEST_BATCH_BYTES = 500_000
LARGEST_MESSAGE_BYTES = 32_000
LARGEST_BATCH = 2_500
LARGEST_ID = 99
KEY_SECONDS = 86_400


@dataclass(frozen=True, kw_only=True)
class Segment(Vendor):
    """Memberships are traits that are true or false, moments are track calls.

    Segment answers success to what it then drops, and to data of another region: what is too
    large is refused here, and the region has to be right. It knows a `messageId` for a day.
    """

    name: ClassVar[str] = "segment"
    regions: ClassVar[Mapping[str, str]] = HOSTS

    write_key: str = setting(secret=True)
    traits: Mapping[str, str] = setting(dict, parse=pairs)
    """Our audience keys and the traits that say who is in them; others are used as they are."""
    event_name: str = setting("kairos_moment")
    batch_count: int = setting(LARGEST_BATCH, parse=whole_number)

    @cached_property
    def capabilities(self) -> Capabilities:
        """Every message has an id; traits besides can be set again."""
        return Capabilities(
            dedupe={
                Kind.AUDIENCE: Dedupe.SET,
                Kind.PROFILE: Dedupe.SET,
                Kind.MOMENT: Dedupe.KEY,
            },
            batch_count=min(self.batch_count, LARGEST_BATCH),
            batch_bytes=LARGEST_BATCH_BYTES,
            rate_limits={"default": RateLimit(1000)},
            key_seconds=KEY_SECONDS,
        )

    def headers(self) -> Mapping[str, str]:
        """The write key is the user name."""
        return {"Authorization": basic(self.write_key)}

    def check(self, operation: Operation) -> str | None:
        """Refuse what Segment would take and silently drop."""
        too_much = too_large(operation, self._message, LARGEST_MESSAGE_BYTES)
        return too_much or super().check(operation)

    def batch_key(self, operation: Operation) -> Hashable:
        """Everything can travel together; moments apart, for their repetition shows."""
        return operation.kind == Kind.MOMENT

    def requests(self, operations: Sequence[Operation]) -> Iterable[Request]:
        """Batches within 2,500 messages and 500 KB."""
        for batch, body in packed(
            ((operation, self._message(operation)) for operation in operations),
            '{"batch":[',
            "]}",
            count=self.capabilities.batch_count,
            size_bytes=LARGEST_BATCH_BYTES,
        ):
            yield self.request("v1/batch", body, batch)

    def results(self, request: Request, response: Response) -> Sequence[Result] | None:
        """Nothing is said of rows; without `success` nothing is said at all."""
        if response.json()["success"] is not True:
            raise ValueError("the answer is no success")
        return None

    def probe(self) -> Request:
        """An identify call without traits: the API has nothing that only looks."""
        message = {
            "type": "identify",
            "anonymousId": "kairos-doctor",
            "messageId": "kairos-doctor",
        }
        return self.request("v1/batch", dumped({"batch": [message]}))

    def _message(self, operation: Operation) -> dict[str, Any]:
        message = {
            "userId": operation.user_key,
            "messageId": short_key(operation, LARGEST_ID),
            "timestamp": iso(operation),
        }
        if operation.kind == Kind.MOMENT:
            event = {"event": self.event_name, "properties": properties(operation)}
            return {"type": "track", **message, **event}
        traits = dict(operation.payload)
        if operation.kind == Kind.AUDIENCE:
            trait = self.traits.get(operation.object_key, operation.object_key)
            traits = {trait: operation.operation == "add"}
        return {"type": "identify", **message, "traits": traits}

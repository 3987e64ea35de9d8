"""Split, by now Harness FME: the keys of segments, and events."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any, ClassVar

from reverse_etl.destinations._vendor import (
    Vendor,
    by_audience,
    milliseconds,
    of_kind,
    packed,
    properties,
    quoted,
)
from reverse_etl.destinations.base import (
    Capabilities,
    Dedupe,
    Lookup,
    address,
    flag,
    pairs,
    setting,
    whole_number,
)
from reverse_etl.model import Kind, Operation, Request

ADMIN = MappingProxyType({"us": "https://api.split.io/internal/api/v2"})
EVENTS = MappingProxyType({"us": "https://events.split.io/api"})
LARGEST_KEYS = 10_000
LARGEST_EVENTS_BYTES = 1_000_000
EVENT_NAME = re.compile(r"[a-zA-Z0-9][-_.a-zA-Z0-9]{0,62}")
# never replace=true: the second chunk would erase the first
VERBS = MappingProxyType({"add": "uploadKeys?replace=false", "remove": "removeKeys"})


@dataclass(frozen=True, kw_only=True)
class Split(Vendor):
    """Audiences are segments, moments are events, which Split counts as often as they come.

    A segment has to be defined in the environment before it takes keys.
    """

    name: ClassVar[str] = "split"
    regions: ClassVar[Mapping[str, str]] = ADMIN
    audience_form: ClassVar[str] = "segment {!r} in this environment"
    audience_map: ClassVar[str] = "segments"

    admin_key: str = setting(secret=True)
    sdk_key: str | None = setting(None, secret=True)
    """A server-side SDK key, for events; without it no moment can be sent."""
    environment_id: str = setting()
    environment_name: str | None = setting(None)
    traffic_type: str = setting("user")
    is_harness: bool = setting(False, parse=flag)
    """Whether the admin key was made in Harness, which wants it in a header of its own."""
    events_url: str | None = setting(None, parse=address)
    segments: Mapping[str, str] = setting(dict, parse=pairs)
    """Our audience keys and Split's segment names; others are used as they are."""
    event_name: str = setting("kairos_moment")
    batch_count: int = setting(LARGEST_KEYS, parse=whole_number)

    @cached_property
    def capabilities(self) -> Capabilities:
        """The limits are unpublished: the headers say how many seconds to wait."""
        return Capabilities(
            dedupe={Kind.AUDIENCE: Dedupe.SET, Kind.MOMENT: Dedupe.NONE},
            batch_count=min(self.batch_count, LARGEST_KEYS),
        )

    def headers(self) -> Mapping[str, str]:
        """The admin key, the way its issuer wants it."""
        if self.is_harness:
            return {"x-api-key": self.admin_key}
        return {"Authorization": f"Bearer {self.admin_key}"}

    def check(self, operation: Operation) -> str | None:
        """Refuse moments that have no key or no possible name."""
        if operation.kind == Kind.MOMENT:
            if not self.sdk_key:
                return "a moment needs KAIROS_SPLIT_SDK_KEY"
            if not EVENT_NAME.fullmatch(self.event_name):
                return "KAIROS_SPLIT_EVENT_NAME is no event type id"
        return super().check(operation)

    def requests(self, operations: Sequence[Operation]) -> Iterable[Request]:
        """Keys of one segment and verb, at most 10,000; events within 1 MB."""
        count = self.capabilities.batch_count
        for audience, verb, group in by_audience(operations):
            segment = quoted(self.segments.get(audience, audience))
            path = f"segments/{quoted(self.environment_id)}/{segment}/{VERBS[verb]}"
            size = self.capabilities.batch_bytes
            for batch, body in packed(group, '{"keys":[', "]}", count=count, size_bytes=size):
                yield self.request(path, body, batch, method="PUT", serial_key=segment)
        rows = ((o, self._event(o)) for o in of_kind(operations, Kind.MOMENT))
        for batch, body in packed(rows, "[", "]", count=count, size_bytes=LARGEST_EVENTS_BYTES):
            yield self.request(
                "events/bulk",
                body,
                batch,
                headers={"Authorization": f"Bearer {self.sdk_key}"},
                host=self.host(EVENTS, self.events_url),
                endpoint_class="events",
            )

    def lookups(self, audiences: Sequence[str], names: Sequence[str]) -> Iterable[Lookup]:
        """Ask for one key of each segment, which has to be defined in the environment."""
        for key in audiences:
            segment = self.segments.get(key, key)
            path = f"segments/{quoted(self.environment_id)}/{quoted(segment)}/keys"
            request = self.request(f"{path}?limit=1&offset=0", method="GET")
            yield self.lookup(request, key)

    def probe(self) -> Request:
        """List the workspaces."""
        return self.request("workspaces", method="GET")

    def _event(self, operation: Operation) -> dict[str, Any]:
        event = {
            "eventTypeId": self.event_name,
            "trafficTypeName": self.traffic_type,
            "key": operation.user_key,
            "timestamp": milliseconds(operation),
            "properties": properties(operation),
        }
        name = self.environment_name
        return {**event, "environmentName": name} if name else event

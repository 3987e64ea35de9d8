"""LaunchDarkly: segments by semantic patch, big segments by contexts, metric events."""

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from types import MappingProxyType
from typing import Any, ClassVar

from reverse_etl.destinations._vendor import (
    Vendor,
    dumped,
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
    batches,
    pairs,
    setting,
    whole_number,
)
from reverse_etl.model import Kind, Operation, Request

APPS = MappingProxyType(
    {
        "us": "https://app.launchdarkly.com",
        "eu": "https://app.eu.launchdarkly.com",
        "federal": "https://app.launchdarkly.us",
    }
)
EVENTS = MappingProxyType({"us": "https://events.launchdarkly.com"})
SEMANTIC_PATCH = "application/json; domain-model=launchdarkly.semanticpatch"
LARGEST_PATCH = 1_500
LARGEST_EVENTS_BYTES = 10_000_000


def names(text: str) -> frozenset[str]:
    """Read `name,name`."""
    return frozenset(name.strip() for name in text.split(",") if name.strip())


@dataclass(frozen=True, kw_only=True)
class LaunchDarkly(Vendor):
    """Audiences are segments, moments are metric events, which carry no key of the vendor's.

    A segment takes one edit at a time, and an edit is taken whole or not at all.
    """

    name: ClassVar[str] = "launchdarkly"
    regions: ClassVar[Mapping[str, str]] = APPS
    audience_map: ClassVar[str] = "segments"

    token: str = setting(secret=True)
    project: str = setting()
    environment: str = setting()
    events_url: str | None = setting(None, parse=address)
    context_kind: str = setting("user")
    segments: Mapping[str, str] = setting(dict, parse=pairs)
    """Our audience keys and LaunchDarkly's segment keys; others are used as they are."""
    big_segments: frozenset[str] = setting(frozenset(), parse=names)
    """Keys of segments that were made unbounded: for more than 15,000 members."""
    event_name: str = setting("kairos_moment")
    batch_count: int = setting(LARGEST_PATCH, parse=whole_number)

    @cached_property
    def capabilities(self) -> Capabilities:
        """409 says that somebody else edits; the limits are unpublished, the headers tell them."""
        return Capabilities(
            dedupe={Kind.AUDIENCE: Dedupe.SET, Kind.MOMENT: Dedupe.NONE},
            batch_count=min(self.batch_count, LARGEST_PATCH),
            busy_statuses=frozenset({409}),
        )

    def headers(self) -> Mapping[str, str]:
        """The token stands alone."""
        return {"Authorization": self.token, "LD-API-Version": "20240415"}

    def check(self, operation: Operation) -> str | None:
        """Refuse moments where nobody knows the address of the events service."""
        if operation.kind == Kind.MOMENT and not self.events_url and self.region not in EVENTS:
            return f"a moment in region {self.region} needs KAIROS_LAUNCHDARKLY_EVENTS_URL"
        return super().check(operation)

    def batch_key(self, operation: Operation) -> Hashable:
        """Who comes to a segment and who leaves it fit into one edit."""
        is_audience = operation.kind == Kind.AUDIENCE
        return (operation.kind, operation.object_key if is_audience else "")

    def requests(self, operations: Sequence[Operation]) -> Iterable[Request]:
        """One edit per segment and 1,500 targets, events in batches."""
        audiences: dict[str, list[Operation]] = {}
        for operation in of_kind(operations, Kind.AUDIENCE):
            audiences.setdefault(operation.object_key, []).append(operation)
        for audience, group in audiences.items():
            yield from self._edits(self.segments.get(audience, audience), group)
        rows = ((o, self._event(o)) for o in of_kind(operations, Kind.MOMENT))
        place = f"{quoted(self.project)}/{quoted(self.environment)}"
        for batch, body in packed(
            rows,
            "[",
            "]",
            count=self.capabilities.batch_count,
            size_bytes=LARGEST_EVENTS_BYTES,
        ):
            yield self.request(
                f"v2/event-data-import/{place}",
                body,
                batch,
                host=self.host(EVENTS, self.events_url),
                endpoint_class="events",
            )

    def lookups(self, audiences: Sequence[str], names: Sequence[str]) -> Iterable[Lookup]:
        """Ask for each segment, and whether it is as big as the settings say."""
        for key in audiences:
            segment = self.segments.get(key, key)
            request = self.request(self._path(segment), method="GET")
            lookup = self.lookup(request, key)
            yield replace(lookup, faults=partial(self._misjudged, key, segment))

    def _misjudged(self, key: str, segment: str, answer: Any) -> dict[str, str]:
        is_big = bool(answer["unbounded"])
        if is_big == (segment in self.big_segments):
            return {}
        verb = "add it to" if is_big else "take it out of"
        kind = "a big segment" if is_big else "no big segment"
        return {key: f"says that {segment!r} is {kind}: {verb} KAIROS_LAUNCHDARKLY_BIG_SEGMENTS"}

    def probe(self) -> Request:
        """Ask whose token it is."""
        return self.request("api/v2/caller-identity", method="GET")

    def _edits(self, segment: str, operations: Sequence[Operation]) -> Iterator[Request]:
        path = self._path(segment)
        for batch in batches(
            ((operation, operation.user_key) for operation in operations),
            count=self.capabilities.batch_count,
            size_bytes=self.capabilities.batch_bytes,
            size=lambda key: len(dumped(key)),
            overhead_bytes=500,
        ):
            edited = tuple(operation for operation, _ in batch)
            add = [o.user_key for o in edited if o.operation == "add"]
            remove = [o.user_key for o in edited if o.operation == "remove"]
            if segment in self.big_segments:
                body = dumped({"included": {"add": add, "remove": remove}})
                yield self.request(f"{path}/contexts", body, edited, serial_key=segment)
                continue
            instructions = [
                {"kind": kind, "contextKind": self.context_kind, "values": values}
                for kind, values in (
                    ("addIncludedTargets", add),
                    ("removeIncludedTargets", remove),
                )
                if values
            ]
            body = dumped({"environmentKey": self.environment, "instructions": instructions})
            headers = {**self.headers(), "Content-Type": SEMANTIC_PATCH}
            yield self.request(
                path, body, edited, method="PATCH", headers=headers, serial_key=segment
            )

    def _path(self, segment: str) -> str:
        place = f"{quoted(self.project)}/{quoted(self.environment)}"
        return f"api/v2/segments/{place}/{quoted(segment)}"

    def _event(self, operation: Operation) -> dict[str, Any]:
        return {
            "kind": "custom",
            "key": self.event_name,
            "creationDate": milliseconds(operation),
            "contextKeys": {self.context_kind: operation.user_key},
            "data": properties(operation),
        }

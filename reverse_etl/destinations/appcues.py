"""Appcues: segment membership, events and profile attributes through its public API v2."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import ClassVar

from reverse_etl.destinations._vendor import (
    Vendor,
    basic,
    by_audience,
    dumped,
    iso,
    packed,
    properties,
    quoted,
)
from reverse_etl.destinations.base import Capabilities, Dedupe, Lookup, pairs, setting, whole_number
from reverse_etl.dispatch.rate import RateLimit
from reverse_etl.model import Kind, Operation, Request, Response, Result

HOSTS = MappingProxyType({"us": "https://api.appcues.com", "eu": "https://api.eu.appcues.com"})
MEMBERSHIP = MappingProxyType({"add": "add_user_ids", "remove": "remove_user_ids"})


@dataclass(frozen=True, kw_only=True)
class Appcues(Vendor):
    """Audiences are segments, moments are events, profiles are attributes.

    Appcues cannot tell a repeated event, so a moment in doubt follows `unknown_policy`.
    """

    name: ClassVar[str] = "appcues"
    regions: ClassVar[Mapping[str, str]] = HOSTS
    audience_map: ClassVar[str] = "segments"

    account_id: str = setting()
    api_key: str = setting(secret=True)
    api_secret: str = setting(secret=True)
    segments: Mapping[str, str] = setting(dict, parse=pairs)
    """Our audience keys and the segment ids that Appcues gave them; others are used as they are."""
    event_name: str = setting("kairos_moment")
    batch_count: int = setting(1000, parse=whole_number)

    @cached_property
    def capabilities(self) -> Capabilities:
        """The account may send 60 requests a second, all endpoints together."""
        return Capabilities(
            dedupe={
                Kind.AUDIENCE: Dedupe.SET,
                Kind.PROFILE: Dedupe.SET,
                Kind.MOMENT: Dedupe.NONE,
            },
            batch_count=self.batch_count,
            rate_limits={"default": RateLimit(60)},
        )

    def headers(self) -> Mapping[str, str]:
        """Key and secret."""
        return {"Authorization": basic(self.api_key, self.api_secret)}

    def requests(self, operations: Sequence[Operation]) -> Iterable[Request]:
        """Memberships in batches, everything else one request each."""
        account = f"v2/accounts/{quoted(self.account_id)}"
        size = self.capabilities.batch_bytes
        for audience, verb, group in by_audience(operations):
            segment = quoted(self.segments.get(audience, audience))
            path = f"{account}/segments/{segment}/{MEMBERSHIP[verb]}"
            for batch, body in packed(
                group, '{"user_ids":[', "]}", count=self.batch_count, size_bytes=size
            ):
                yield self.request(path, body, batch, serial_key=segment)
        for operation in operations:
            user = f"{account}/users/{quoted(operation.user_key)}"
            if operation.kind == Kind.PROFILE:
                body = dumped(operation.payload)
                yield self.request(f"{user}/profile", body, (operation,), method="PATCH")
            elif operation.kind == Kind.MOMENT:
                event = {
                    "name": self.event_name,
                    "timestamp": iso(operation),
                    "attributes": properties(operation),
                }
                yield self.request(f"{user}/events", dumped(event), (operation,))

    def results(self, request: Request, response: Response) -> Sequence[Result] | None:
        """A 2xx takes all of it, if it is Appcues that speaks: its bodies are JSON or empty."""
        if response.body.strip():
            response.json()
        return None

    def lookups(self, audiences: Sequence[str], names: Sequence[str]) -> Iterable[Lookup]:
        """Ask for each segment. Attributes are made when they are first set."""
        for key in audiences:
            segment = self.segments.get(key, key)
            path = f"v2/accounts/{quoted(self.account_id)}/segments/{quoted(segment)}"
            request = self.request(path, method="GET")
            yield self.lookup(request, key)

    def erasure(self, user_key: str) -> Sequence[Request]:
        """Delete the user's profile."""
        path = f"v2/accounts/{quoted(self.account_id)}/users/{quoted(user_key)}/profile"
        return (self.request(path, method="DELETE"),)

    def probe(self) -> Request:
        """List tags: needs a right key in the right region, changes nothing."""
        return self.request(f"v2/accounts/{quoted(self.account_id)}/tags", method="GET")

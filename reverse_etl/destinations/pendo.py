"""Pendo: segment membership by patch, visitor metadata in bulk, track events."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from types import MappingProxyType
from typing import Any, ClassVar

from reverse_etl.destinations._vendor import (
    Vendor,
    by_audience,
    dumped,
    milliseconds,
    of_kind,
    outcomes,
    packed,
    properties,
    quoted,
)
from reverse_etl.destinations.base import (
    Capabilities,
    Dedupe,
    Lookup,
    Verdict,
    address,
    flag,
    one_of,
    pairs,
    positive_number,
    setting,
    whole_number,
)
from reverse_etl.dispatch.rate import RateLimit
from reverse_etl.model import Kind, Operation, Request, Response, Result

APPS = MappingProxyType(
    {
        "us": "https://app.pendo.io",
        "us1": "https://us1.app.pendo.io",
        "eu": "https://app.eu.pendo.io",
        "jp": "https://app.jpn.pendo.io",
        "au": "https://app.au.pendo.io",
    }
)
DATA = MappingProxyType({"us": "https://data.pendo.io", "eu": "https://data.eu.pendo.io"})


@dataclass(frozen=True, kw_only=True)
class Pendo(Vendor):
    """Audiences are segments, profiles are visitor metadata, moments are track events.

    No key is known by which Pendo could tell a repeated track event. A segment takes one edit at a
    time.
    """

    name: ClassVar[str] = "pendo"
    regions: ClassVar[Mapping[str, str]] = APPS
    audience_map: ClassVar[str] = "segments"

    integration_key: str = setting(secret=True)
    track_secret: str | None = setting(None, secret=True)
    """The app's shared secret for track events; without it no moment can be sent."""
    data_url: str | None = setting(None, parse=address)
    segments: Mapping[str, str] = setting(dict, parse=pairs)
    """Our audience keys and the segment ids that Pendo gave them; others are used as they are."""
    metadata_group: str = setting("custom", parse=one_of("custom", "agent"))
    create_visitors: bool = setting(False, parse=flag)
    event_name: str = setting("kairos_moment")
    batch_count: int = setting(1000, parse=whole_number)
    requests_per_second: float = setting(100.0, parse=positive_number)

    @cached_property
    def capabilities(self) -> Capabilities:
        """409 says that another edit of the segment is running."""
        limit = RateLimit(self.requests_per_second)
        return Capabilities(
            dedupe={
                Kind.AUDIENCE: Dedupe.SET,
                Kind.PROFILE: Dedupe.SET,
                Kind.MOMENT: Dedupe.NONE,
            },
            batch_count=self.batch_count,
            rate_limits={name: limit for name in ("default", "metadata", "track")},
            busy_statuses=frozenset({409}),
        )

    def headers(self) -> Mapping[str, str]:
        """The integration key."""
        return {"x-pendo-integration-key": self.integration_key}

    def check(self, operation: Operation) -> str | None:
        """Refuse moments where the settings of track events are missing."""
        if operation.kind == Kind.MOMENT:
            if not self.track_secret:
                return "a moment needs KAIROS_PENDO_TRACK_SECRET"
            if not self.data_url and self.region not in DATA:
                return f"a moment in region {self.region} needs KAIROS_PENDO_DATA_URL"
        return super().check(operation)

    def requests(self, operations: Sequence[Operation]) -> Iterable[Request]:
        """Patches of one segment and verb each, metadata in batches, events one by one."""
        limits = {"count": self.batch_count, "size_bytes": self.capabilities.batch_bytes}
        for audience, verb, group in by_audience(operations):
            segment = quoted(self.segments.get(audience, audience))
            before = f'{{"patch":[{{"op":"{verb}","path":"/visitors","value":['
            for batch, body in packed(group, before, "]}]}", **limits):
                path = f"api/v1/segment/{segment}/visitor"
                yield self.request(path, body, batch, method="PATCH", serial_key=segment)
        rows = (
            (o, {"visitorId": o.user_key, "values": o.payload})
            for o in of_kind(operations, Kind.PROFILE)
        )
        path = f"api/v1/metadata/visitor/{self.metadata_group}/value"
        path += "?create=true" if self.create_visitors else ""
        for batch, body in packed(rows, "[", "]", **limits):
            yield self.request(path, body, batch, endpoint_class="metadata")
        for operation in of_kind(operations, Kind.MOMENT):
            yield self.request(
                "data/track",
                dumped(self._event(operation)),
                (operation,),
                headers={"x-pendo-integration-key": self.track_secret or ""},
                host=self.host(DATA, self.data_url),
                endpoint_class="track",
            )

    def verdict(self, response: Response) -> Verdict:
        """A patch succeeds or fails by the status inside; failures without names are halved."""
        verdict = super().verdict(response)
        if verdict is not Verdict.READ:
            return verdict
        try:
            answer = response.json()
            if inside := [int(part["status"]) for part in answer.get("multistatus", ())]:
                return super().verdict(replace(response, status=max(inside)))
            missed = int(answer.get("total", 0)) - int(answer.get("updated", 0))
        except (ValueError, KeyError, TypeError, AttributeError):
            # `results` will not understand it either, and says so
            return verdict
        return Verdict.REFUSED if missed > len(_failures(answer)) else verdict

    def results(self, request: Request, response: Response) -> Sequence[Result] | None:
        """Read which visitors have no metadata; everything else is taken as a whole."""
        kind = request.operations[0].kind
        if kind == Kind.MOMENT:
            return super().results(request, response)
        answer = response.json()
        if kind == Kind.AUDIENCE:
            answer["multistatus"][0]  # an answer without it is none: its verdict said nothing
            return None
        failures = _failures(answer)
        named = {
            position: failures[operation.user_key]
            for position, operation in enumerate(request.operations)
            if operation.user_key in failures
        }
        return outcomes(request, response, named)

    def lookups(self, audiences: Sequence[str], names: Sequence[str]) -> Iterable[Lookup]:
        """Ask for each segment, and for the fields of visitors, which have to exist."""
        for key in audiences:
            segment = self.segments.get(key, key)
            request = self.request(f"api/v1/segment/{quoted(segment)}", method="GET")
            yield self.lookup(request, key)
        if names:
            schema = self.request("api/v1/metadata/schema/visitor", method="GET")
            yield Lookup(Kind.PROFILE, schema, tuple(names), faults=partial(self._unknown, names))

    def _unknown(self, names: Sequence[str], schema: Any) -> dict[str, str]:
        known, group = schema.get(self.metadata_group) or {}, self.metadata_group
        return {
            name: f"has no visitor field {name!r} in the group {group}: make it in Data Mappings"
            for name in names
            if name not in known
        }

    def erasure(self, user_key: str) -> Sequence[Request]:
        """Delete the visitor."""
        body = dumped({"visitors": [user_key]})
        return (self.request("api/v1/bulkdelete/visitor", body),)

    def probe(self) -> Request:
        """Verify the key: a key of another region is refused."""
        return self.request("api/v1/token/verify", method="GET")

    def _event(self, operation: Operation) -> dict[str, Any]:
        event = {
            "type": "track",
            "event": self.event_name,
            "visitorId": operation.user_key,
            "timestamp": milliseconds(operation),
            "properties": properties(operation),
        }
        account = operation.scope.account_id
        return {**event, "accountId": account} if account else event


def _failures(answer: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """Who was not updated: lists where Pendo gives names, nothing where it gives numbers."""
    missing, errors = answer.get("missing"), answer.get("errors")
    failures = {
        str(visitor): ("missing", "there is no such visitor")
        for visitor in (missing if isinstance(missing, list) else ())
    }
    for error in errors if isinstance(errors, list) else ():
        if isinstance(error, dict) and "id" in error:
            failures[str(error["id"])] = ("failed", str(error.get("message", "")))
    return failures

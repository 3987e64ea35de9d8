"""Customer.io: manual segments, and the track API's batches for people and events."""

import hashlib
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from types import MappingProxyType
from typing import Any, ClassVar

from reverse_etl.destinations._vendor import (
    Vendor,
    basic,
    by_audience,
    milliseconds,
    outcomes,
    packed,
    properties,
    quoted,
    seconds,
    too_large,
)
from reverse_etl.destinations.base import (
    Capabilities,
    Dedupe,
    FieldNames,
    Lookup,
    Verdict,
    address,
    pairs,
    setting,
    whole_number,
)
from reverse_etl.dispatch.rate import RateLimit
from reverse_etl.model import Kind, Operation, Request, Response, Result

HOSTS = MappingProxyType({"us": "https://track.customer.io", "eu": "https://track-eu.customer.io"})
APPS = MappingProxyType({"us": "https://api.customer.io", "eu": "https://api-eu.customer.io"})
LARGEST_IDS = 1_000
LARGEST_BODY_BYTES = 500_000
LARGEST_ROW_BYTES = 32_000
LARGEST_ID_BYTES = 150
MOMENT_SECONDS = 72 * 3_600
CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


@dataclass(frozen=True, kw_only=True)
class CustomerIo(Vendor):
    """Audiences are manual segments, which must exist; moments are events, known by a ULID.

    An event that is older than 72 hours triggers no campaign: such a moment expires. Members whom
    Customer.io does not know are ignored without a word: sync profiles first.
    """

    name: ClassVar[str] = "customerio"
    regions: ClassVar[Mapping[str, str]] = HOSTS
    audience_form: ClassVar[str] = "segment {}"
    audience_map: ClassVar[str] = "segments"
    field_names: ClassVar[FieldNames] = FieldNames(most_bytes=LARGEST_ID_BYTES)

    site_id: str = setting()
    api_key: str = setting(secret=True)
    app_api_key: str | None = setting(None, secret=True)
    """A key of the App API, by which the doctor sees segments; nothing is delivered with it."""
    app_url: str | None = setting(None, parse=address)
    segments: Mapping[str, str] = setting(dict, parse=pairs)
    """Our audience keys and the numbers of manual segments; others are used as they are."""
    event_name: str = setting("kairos_moment")
    batch_count: int = setting(LARGEST_IDS, parse=whole_number)

    @cached_property
    def capabilities(self) -> Capabilities:
        """A thousand requests a second; there are no headers that tell."""
        return Capabilities(
            dedupe={
                Kind.AUDIENCE: Dedupe.SET,
                Kind.PROFILE: Dedupe.SET,
                Kind.MOMENT: Dedupe.KEY,
            },
            batch_count=min(self.batch_count, LARGEST_IDS),
            batch_bytes=LARGEST_BODY_BYTES,
            rate_limits={"default": RateLimit(1000)},
            moment_seconds=MOMENT_SECONDS,
        )

    def headers(self) -> Mapping[str, str]:
        """Site and key."""
        return {"Authorization": basic(self.site_id, self.api_key)}

    def check(self, operation: Operation) -> str | None:
        """Refuse what is longer than Customer.io takes."""
        if len(operation.user_key.encode()) > LARGEST_ID_BYTES:
            return f"the user key has more than {LARGEST_ID_BYTES} bytes"
        too_much = too_large(operation, self._entity, LARGEST_ROW_BYTES)
        return too_much or super().check(operation)

    def batch_key(self, operation: Operation) -> Hashable:
        """People and events travel together, each with a repetition that does not show."""
        return super().batch_key(operation) if operation.kind == Kind.AUDIENCE else "batch"

    def requests(self, operations: Sequence[Operation]) -> Iterable[Request]:
        """Members of one segment and verb, at most 1,000; the rest in batches of 500 KB."""
        limits = {"count": self.capabilities.batch_count, "size_bytes": LARGEST_BODY_BYTES}
        for audience, verb, group in by_audience(operations):
            segment = quoted(self.segments.get(audience, audience))
            path = f"api/v1/segments/{segment}/{verb}_customers?id_type=id"
            for batch, body in packed(group, '{"ids":[', "]}", **limits):
                yield self.request(path, body, batch, serial_key=segment)
        rows = ((o, self._entity(o)) for o in operations if o.kind != Kind.AUDIENCE)
        for batch, body in packed(rows, '{"batch":[', "]}", **limits):
            yield self.request("api/v2/batch", body, batch)

    def verdict(self, response: Response) -> Verdict:
        """The probe answers with the region: another one than ours is a wrong setting."""
        verdict = super().verdict(response)
        if verdict is not Verdict.READ or b'"data_center"' not in response.body:
            return verdict
        try:
            is_ours = response.json()["data_center"] == self.region
        except (ValueError, KeyError, TypeError):
            return verdict
        return verdict if is_ours else Verdict.MISCONFIGURED

    def results(self, request: Request, response: Response) -> Sequence[Result] | None:
        """Read which rows of a batch failed: 207 has taken the rest."""
        answer = response.json()
        if response.status != 207:
            return None
        return outcomes(
            request,
            response,
            {
                int(error["batch_index"]): (str(error["reason"]), str(error.get("message", "")))
                for error in answer["errors"]
            },
        )

    def lookups(self, audiences: Sequence[str], names: Sequence[str]) -> Iterable[Lookup]:
        """Ask the App API for each segment, which has to be a manual one, where we have its key."""
        if not self.app_api_key:
            return
        for key in audiences:
            segment = self.segments.get(key, key)
            request = self.request(
                f"v1/segments/{quoted(segment)}",
                method="GET",
                headers={"Authorization": f"Bearer {self.app_api_key}"},
                host=self.host(APPS, self.app_url),
            )
            lookup = self.lookup(request, key)
            yield replace(lookup, faults=partial(_not_manual, key, segment))

    def erasure(self, user_key: str) -> Sequence[Request]:
        """Delete the person."""
        return (self.request(f"api/v1/customers/{quoted(user_key)}", method="DELETE"),)

    def probe(self) -> Request:
        """Ask for the account's region."""
        return self.request("api/v1/accounts/region", method="GET")

    def _entity(self, operation: Operation) -> dict[str, Any]:
        person = {"type": "person", "identifiers": {"id": operation.user_key}}
        if operation.kind == Kind.PROFILE:
            # an attribute is text, a number or a boolean, and goes when it is set to nothing
            values = {k: "" if v is None else v for k, v in operation.payload.items()}
            return {**person, "action": "identify", "attributes": values}
        return {
            **person,
            "action": "event",
            "name": self.event_name,
            "id": ulid(operation),
            "timestamp": seconds(operation),
            "attributes": properties(operation),
        }


def _not_manual(key: str, segment: str, answer: Any) -> dict[str, str]:
    kind = answer["segment"]["type"]
    if kind == "manual":
        return {}
    return {key: f"fills segment {segment} by itself ({kind}): name a manual one"}


def ulid(operation: Operation) -> str:
    """Make a ULID of the moment and the idempotency key: the same each time."""
    digest = hashlib.sha256(operation.idempotency_key.encode()).digest()
    number = (milliseconds(operation) << 80) | int.from_bytes(digest[:10])
    return "".join(CROCKFORD[(number >> shift) & 31] for shift in range(125, -1, -5))

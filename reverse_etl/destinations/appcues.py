"""Appcues: segment membership, events and profile attributes through its public API v2."""

import base64
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any, ClassVar
from urllib.parse import quote

from reverse_etl.destinations.base import (
    Capabilities,
    Dedupe,
    Destination,
    batches,
    one_of,
    pairs,
    setting,
)
from reverse_etl.dispatch.rate import RateLimit
from reverse_etl.model import Kind, Operation, Request, Response, Result

REGIONS = MappingProxyType({"us": "https://api.appcues.com", "eu": "https://api.eu.appcues.com"})
MEMBERSHIP = MappingProxyType({"add": "add_user_ids", "remove": "remove_user_ids"})


@dataclass(frozen=True, kw_only=True)
class Appcues(Destination):
    """Audiences are segments, moments are events, profiles are attributes.

    Appcues cannot tell a repeated event, so a moment in doubt follows the `in_doubt` policy.
    """

    name: ClassVar[str] = "appcues"

    account_id: str = setting()
    api_key: str = setting(secret=True)
    api_secret: str = setting(secret=True)
    region: str = setting("us", parse=one_of(*REGIONS))
    base_url: str | None = setting(None)
    segments: Mapping[str, str] = setting(dict, parse=pairs)
    """Our audience keys and the segment ids that Appcues gave them; others are used as they are."""
    event_name: str = setting("kairos_moment")
    batch_count: int = setting(1000, parse=int)

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

    def check(self, operation: Operation) -> str | None:
        """Refuse what would change the meaning of a URL or of a segment."""
        if not operation.user_key:
            return "the user key is empty"
        if operation.kind == Kind.AUDIENCE and operation.operation not in MEMBERSHIP:
            return f"a membership cannot {operation.operation}"
        return super().check(operation)

    def requests(self, operations: Sequence[Operation]) -> Iterable[Request]:
        """Memberships in batches, everything else one request each."""
        yield from self._memberships([o for o in operations if o.kind == Kind.AUDIENCE])
        for operation in operations:
            if operation.kind == Kind.PROFILE:
                path = f"users/{_quoted(operation.user_key)}/profile"
                yield self._request(path, operation.payload, (operation,), method="PATCH")
            elif operation.kind == Kind.MOMENT:
                path = f"users/{_quoted(operation.user_key)}/events"
                yield self._request(path, self._event(operation), (operation,))

    def results(self, request: Request, response: Response) -> Sequence[Result] | None:
        """A 2xx takes all of it, if it is Appcues that speaks: its bodies are JSON or empty."""
        if response.body.strip():
            response.json()
        return None

    def probe(self) -> Request:
        """List tags: needs a right key in the right region, changes nothing."""
        return self._request("tags", None, (), method="GET")

    def _memberships(self, operations: Sequence[Operation]) -> Iterator[Request]:
        groups: dict[tuple[str, str], list[Operation]] = {}
        for operation in operations:
            groups.setdefault((operation.object_key, operation.operation), []).append(operation)
        for (audience, verb), group in groups.items():
            segment = _quoted(self.segments.get(audience, audience))
            for batch in batches(
                ((operation, operation.user_key) for operation in group),
                count=self.batch_count,
                size_bytes=self.capabilities.batch_bytes,
                size=lambda user_key: len(json.dumps(user_key)) + 1,
                overhead_bytes=32,
            ):
                yield self._request(
                    f"segments/{segment}/{MEMBERSHIP[verb]}",
                    {"user_ids": [user_key for _, user_key in batch]},
                    tuple(operation for operation, _ in batch),
                    serial_key=segment,
                )

    def _event(self, operation: Operation) -> Mapping[str, Any]:
        return {
            "name": self.event_name,
            "timestamp": (operation.decided_at or operation.planned_at).isoformat(),
            "attributes": {
                **operation.payload,
                "content_key": operation.object_key,
                "idempotency_key": operation.idempotency_key,
            },
        }

    def _request(
        self,
        path: str,
        body: Mapping[str, Any] | None,
        operations: tuple[Operation, ...],
        *,
        method: str = "POST",
        serial_key: str | None = None,
    ) -> Request:
        token = base64.b64encode(f"{self.api_key}:{self.api_secret}".encode()).decode()
        base_url = (self.base_url or REGIONS[self.region]).rstrip("/")
        return Request(
            operations=operations,
            method=method,
            url=f"{base_url}/v2/accounts/{_quoted(self.account_id)}/{path}",
            headers={"Authorization": f"Basic {token}", "Content-Type": "application/json"},
            body=None if body is None else json.dumps(body).encode(),
            serial_key=serial_key,
        )


def _quoted(text: str) -> str:
    return quote(text, safe="")

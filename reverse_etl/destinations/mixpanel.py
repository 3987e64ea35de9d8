"""Mixpanel: event import, and profile updates that carry memberships too."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any, ClassVar

from reverse_etl.destinations._vendor import (
    Vendor,
    basic,
    dumped,
    milliseconds,
    outcomes,
    packed,
    properties,
    quoted,
    short_key,
    too_large,
)
from reverse_etl.destinations.base import (
    Capabilities,
    Dedupe,
    Verdict,
    address,
    pairs,
    positive_number,
    setting,
    whole_number,
)
from reverse_etl.dispatch.rate import RateLimit
from reverse_etl.model import Kind, Operation, Request, Response, Result

HOSTS = MappingProxyType(
    {
        "us": "https://api.mixpanel.com",
        "eu": "https://api-eu.mixpanel.com",
        "in": "https://api-in.mixpanel.com",
    }
)
APPS = MappingProxyType(
    {
        "us": "https://mixpanel.com",
        "eu": "https://eu.mixpanel.com",
        "in": "https://in.mixpanel.com",
    }
)
LARGEST_BATCH = 2_000
LARGEST_BODY_BYTES = 10_000_000
LARGEST_EVENT_BYTES = 1_000_000
LARGEST_ID = 36
EVENTS_PER_SECOND = 30_000


@dataclass(frozen=True, kw_only=True)
class Mixpanel(Vendor):
    """Memberships are profile properties, moments are events, known by their insert id.

    An answer of 400 that lists failed records has taken all the others.
    """

    name: ClassVar[str] = "mixpanel"
    regions: ClassVar[Mapping[str, str]] = HOSTS

    service_account: str = setting()
    service_secret: str = setting(secret=True)
    project_id: str = setting()
    token: str = setting(secret=True)
    app_url: str | None = setting(None, parse=address)
    audience_properties: Mapping[str, str] = setting(dict, parse=pairs)
    """Our audience keys and the profile properties that say who is in them; else as they are."""
    event_name: str = setting("kairos_moment")
    batch_count: int = setting(LARGEST_BATCH, parse=whole_number)
    pause_seconds: float = setting(2.0, parse=positive_number)
    """How long to be silent at least when it is too much: no header says so."""

    @cached_property
    def capabilities(self) -> Capabilities:
        """Limits count bytes and events: 429 says when they are reached."""
        return Capabilities(
            dedupe={
                Kind.AUDIENCE: Dedupe.SET,
                Kind.PROFILE: Dedupe.SET,
                Kind.MOMENT: Dedupe.KEY,
            },
            batch_count=min(self.batch_count, LARGEST_BATCH),
            batch_bytes=LARGEST_BODY_BYTES,
            row_statuses=frozenset({400}),
            pauses={"default": self.pause_seconds, "engage": self.pause_seconds},
            rate_limits={"default": RateLimit(EVENTS_PER_SECOND, rows=EVENTS_PER_SECOND)},
        )

    def headers(self) -> Mapping[str, str]:
        """The service account."""
        return {"Authorization": basic(self.service_account, self.service_secret)}

    def check(self, operation: Operation) -> str | None:
        """Refuse an event that is larger than Mixpanel takes."""
        is_moment = operation.kind == Kind.MOMENT
        too_much = too_large(operation, self._event, LARGEST_EVENT_BYTES) if is_moment else None
        return too_much or super().check(operation)

    def batch_key(self, operation: Operation) -> Hashable:
        """Memberships and attributes are both profile updates."""
        return operation.kind == Kind.MOMENT

    def requests(self, operations: Sequence[Operation]) -> Iterable[Request]:
        """Events to the import, everything else to the profiles, in batches."""
        moments = [(o, self._event(o)) for o in operations if o.kind == Kind.MOMENT]
        changes = [(o, b",".join(self._changes(o))) for o in operations if o.kind != Kind.MOMENT]
        size = LARGEST_BODY_BYTES
        count = self.capabilities.batch_count
        for batch, body in packed(moments, "[", "]", count=count, size_bytes=size):
            path = f"import?strict=1&project_id={quoted(self.project_id)}"
            yield self.request(path, body, batch)
        # to set some and to remove others takes two records
        for batch, body in packed(changes, "[", "]", count=max(1, count // 2), size_bytes=size):
            yield self.request("engage?strict=1&verbose=1", body, batch, endpoint_class="engage")

    def verdict(self, response: Response) -> Verdict:
        """A token that is not valid makes every row fail, and is none of their faults."""
        if response.status == 400 and self._blames_token(response):
            return Verdict.MISCONFIGURED
        return super().verdict(response)

    def results(self, request: Request, response: Response) -> Sequence[Result] | None:
        """Read which records failed; None where the whole request did."""
        if response.status == 400:
            records = None if self._blames_token(response) else _failed(response)
            return None if records is None else self._attributed(request, response, records)
        if response.json()["status"] != "OK":
            raise ValueError("the answer is no success")
        return None

    def erasure(self, user_key: str) -> Sequence[Request]:
        """Delete the profile; events stay, and can be deleted only in Mixpanel itself."""
        row = {"$token": self.token, "$distinct_id": user_key, "$delete": ""}
        body = dumped([row])
        return (self.request("engage?strict=1&verbose=1", body, endpoint_class="engage"),)

    def probe(self) -> Request:
        """Ask whose credentials they are."""
        host = self.host(APPS, self.app_url or self.base_url)
        return self.request("api/app/me", method="GET", host=host)

    def _attributed(
        self, request: Request, response: Response, records: Sequence[Mapping[str, Any]]
    ) -> Sequence[Result]:
        rows = [
            position
            for position, operation in enumerate(request.operations)
            for _ in ([0] if operation.kind == Kind.MOMENT else self._changes(operation))
        ]
        return outcomes(
            request,
            response,
            {
                rows[int(r["index"])]: (str(r.get("field", "")), str(r.get("message", "")))
                for r in records
            },
        )

    def _blames_token(self, response: Response) -> bool:
        records = _failed(response)
        return bool(records) and all("token" in str(one.get("message")) for one in records or ())

    def _event(self, operation: Operation) -> dict[str, Any]:
        return {
            "event": self.event_name,
            "properties": {
                **properties(operation),
                "time": milliseconds(operation),
                "distinct_id": operation.user_key,
                "$insert_id": short_key(operation, LARGEST_ID),
            },
        }

    def _changes(self, operation: Operation) -> list[bytes]:
        values = dict(operation.payload)
        if operation.kind == Kind.AUDIENCE:
            name = self.audience_properties.get(operation.object_key, operation.object_key)
            values = {name: True if operation.operation == "add" else None}
        who = {"$token": self.token, "$distinct_id": operation.user_key}
        given = {name: value for name, value in values.items() if value is not None}
        gone = [name for name, value in values.items() if value is None]
        changes = [{**who, "$set": given}] if given or not gone else []
        changes += [{**who, "$unset": gone}] if gone else []
        return [dumped(change) for change in changes]


def _failed(response: Response) -> Sequence[Mapping[str, Any]] | None:
    try:
        records = list(response.json()["failed_records"])
    except (ValueError, KeyError, TypeError):
        return None
    return records if records and all(isinstance(one, dict) for one in records) else None

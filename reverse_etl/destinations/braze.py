"""Braze: user attributes, memberships among them, and custom events."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any, ClassVar

from reverse_etl.destinations._vendor import Vendor, dumped, iso, outcomes, packed, properties
from reverse_etl.destinations.base import (
    Capabilities,
    Dedupe,
    FieldNames,
    flag,
    pairs,
    positive_number,
    setting,
    whole_number,
)
from reverse_etl.dispatch.rate import RateLimit
from reverse_etl.model import Kind, Operation, Request, Response, Result, State

HOSTS = MappingProxyType(
    {
        **{f"iad-0{n}": f"https://rest.iad-0{n}.braze.com" for n in range(1, 9)},
        **{f"fra-0{n}": f"https://rest.fra-0{n}.braze.eu" for n in (1, 2)},
    }
)
LARGEST_BATCH = 75
IDENTIFIERS = frozenset({"external_id", "braze_id", "user_alias", "_update_existing_only"})
"""Names that say in a row whom it is about."""


@dataclass(frozen=True, kw_only=True)
class Braze(Vendor):
    """Memberships are attributes that are true or absent, moments are custom events.

    Braze cannot tell a repeated event. An answer of success may list rows that failed.
    """

    name: ClassVar[str] = "braze"
    regions: ClassVar[Mapping[str, str]] = HOSTS
    field_names: ClassVar[FieldNames] = FieldNames(reserved=IDENTIFIERS)

    region: str | None = setting(None, parse=str.lower)
    """The instance: `iad-01` and so on; for others set KAIROS_BRAZE_BASE_URL."""
    api_key: str = setting(secret=True)
    attributes: Mapping[str, str] = setting(dict, parse=pairs)
    """Our audience keys and the attributes that say who is in them; others as they are."""
    existing_only: bool = setting(False, parse=flag)
    """Whether users whom Braze does not know are left out instead of made."""
    event_name: str = setting("kairos_moment")
    batch_count: int = setting(LARGEST_BATCH, parse=whole_number)
    requests_per_second: float = setting(1000.0, parse=positive_number)
    """3,000 in three seconds, unless the contract says less."""

    @cached_property
    def capabilities(self) -> Capabilities:
        """Seventy-five rows of a kind in a request."""
        return Capabilities(
            dedupe={
                Kind.AUDIENCE: Dedupe.SET,
                Kind.PROFILE: Dedupe.SET,
                Kind.MOMENT: Dedupe.NONE,
            },
            batch_count=min(self.batch_count, LARGEST_BATCH),
            batch_bytes=4_000_000,
            rate_limits={"default": RateLimit(3 * self.requests_per_second, 3)},
            row_statuses=frozenset({400}),
        )

    def headers(self) -> Mapping[str, str]:
        """The key, as a bearer."""
        return {"Authorization": f"Bearer {self.api_key}"}

    def batch_key(self, operation: Operation) -> Hashable:
        """Memberships and attributes are rows of one array."""
        return operation.kind == Kind.MOMENT

    def requests(self, operations: Sequence[Operation]) -> Iterable[Request]:
        """Attributes and events, each in batches of their own."""
        for array, rows in (
            ("attributes", [(o, self._attributes(o)) for o in operations if o.kind != Kind.MOMENT]),
            ("events", [(o, self._event(o)) for o in operations if o.kind == Kind.MOMENT]),
        ):
            for batch, body in packed(
                rows,
                f'{{"{array}":[',
                "]}",
                count=self.capabilities.batch_count,
                size_bytes=self.capabilities.batch_bytes,
            ):
                yield self.request("users/track", body, batch)

    def results(self, request: Request, response: Response) -> Sequence[Result] | None:
        """Read which rows failed: of a success the rest was taken, of a 400 nothing was."""
        is_fatal = response.status == 400
        try:
            answer = response.json()
            failures = {
                int(error["index"]): ("invalid", str(error["type"]))
                for error in answer.get("errors", ())
            }
        except (ValueError, KeyError, TypeError):
            if is_fatal:
                return None
            raise
        if is_fatal:
            others = State.RETRYABLE
            return outcomes(request, response, failures, others=others) if failures else None
        if answer["message"] != "success":
            raise ValueError("the answer is no success")
        return outcomes(request, response, failures)

    def erasure(self, user_key: str) -> Sequence[Request]:
        """Delete the user."""
        return (self.request("users/delete", dumped({"external_ids": [user_key]})),)

    def probe(self) -> Request:
        """List campaigns, which the key must be allowed to."""
        return self.request("campaigns/list", method="GET")

    def _attributes(self, operation: Operation) -> dict[str, Any]:
        values = dict(operation.payload)
        if operation.kind == Kind.AUDIENCE:
            name = self.attributes.get(operation.object_key, operation.object_key)
            values = {name: True if operation.operation == "add" else None}
        return {**values, **self._who(operation)}

    def _event(self, operation: Operation) -> dict[str, Any]:
        return {
            **self._who(operation),
            "name": self.event_name,
            "time": iso(operation),
            "properties": properties(operation),
        }

    def _who(self, operation: Operation) -> dict[str, Any]:
        who: dict[str, Any] = {"external_id": operation.user_key}
        return {**who, "_update_existing_only": True} if self.existing_only else who

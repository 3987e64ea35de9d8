"""Iterable: lists, users and events, all in bulk."""

from collections.abc import Iterable as Many
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from types import MappingProxyType
from typing import Any, ClassVar

from reverse_etl.destinations._vendor import (
    Vendor,
    by_audience,
    of_kind,
    packed,
    properties,
    quoted,
    seconds,
)
from reverse_etl.destinations.base import (
    Capabilities,
    Dedupe,
    Lookup,
    Verdict,
    one_of,
    pairs,
    setting,
    whole_number,
)
from reverse_etl.dispatch.rate import RateLimit
from reverse_etl.model import Kind, Operation, Request, Response, Result, State

HOSTS = MappingProxyType({"us": "https://api.iterable.com", "eu": "https://api.eu.iterable.com"})
LARGEST_BODY_BYTES = 4_000_000
LARGEST_ID_BYTES = 512
SETTLE_SECONDS = 60
NOT_FOUND = "notFound"
FORGOTTEN = "forgotten"


def _untyped(names: Sequence[str], answer: Any) -> dict[str, str]:
    return {
        name: f"has no user field {name!r}: its first value makes it, and fixes its type"
        for name in names
        if name not in answer["fields"]
    }


def numbers(text: str) -> dict[str, int]:
    """Read `name=number,name=number`."""
    return {name: int(number) for name, number in pairs(text).items()}


@dataclass(frozen=True, kw_only=True)
class Iterable(Vendor):
    """Audiences are lists, profiles are user fields, moments are events.

    An event with an `id` that is known replaces the other. A bulk answer names the users that
    failed: one who asked to be forgotten is never tried again, and one who is not found when a
    list is to be left is not on it.
    """

    name: ClassVar[str] = "iterable"
    regions: ClassVar[Mapping[str, str]] = HOSTS
    audience_form: ClassVar[str] = "list {}"
    audience_map: ClassVar[str] = "lists"

    api_key: str = setting(secret=True)
    lists: Mapping[str, int] = setting(dict, parse=numbers)
    """Our audience keys and the numbers of Iterable's lists; a number is used as it is."""
    identify_by: str = setting("userid", parse=one_of("userid", "email"))
    """What our user keys are to Iterable."""
    event_name: str = setting("kairos_moment")
    batch_count: int = setting(1000, parse=whole_number)

    @cached_property
    def capabilities(self) -> Capabilities:
        """Bulk calls are slow: five a second for users, ten for events."""
        return Capabilities(
            dedupe={
                Kind.AUDIENCE: Dedupe.SET,
                Kind.PROFILE: Dedupe.SET,
                Kind.MOMENT: Dedupe.KEY,
            },
            batch_count=self.batch_count,
            batch_bytes=LARGEST_BODY_BYTES,
            rate_limits={"users": RateLimit(5), "events": RateLimit(10)},
            settle_seconds=SETTLE_SECONDS,
        )

    def headers(self) -> Mapping[str, str]:
        """The key."""
        return {"Api-Key": self.api_key}

    def check(self, operation: Operation) -> str | None:
        """Refuse audiences without a list, and keys that are too long to be an id."""
        if operation.kind == Kind.AUDIENCE and self._list(operation.object_key) is None:
            return f"the audience {operation.object_key} has no list: set KAIROS_ITERABLE_LISTS"
        if len(operation.idempotency_key.encode()) > LARGEST_ID_BYTES:
            return f"the idempotency key has more than {LARGEST_ID_BYTES} bytes"
        return super().check(operation)

    def requests(self, operations: Sequence[Operation]) -> Many[Request]:
        """One request per list and verb, one for users, one for events, within the limits."""
        limits = {"count": self.batch_count, "size_bytes": LARGEST_BODY_BYTES}
        for audience, verb, group in by_audience(operations):
            number = self._list(audience)
            path, after = {
                "add": ("api/lists/subscribe", "]}"),
                # the list alone: true would end every message of the channel
                "remove": ("api/lists/unsubscribe", '],"channelUnsubscribe":false}'),
            }[verb]
            rows = ((o, self._who(o)) for o, _ in group)
            before = f'{{"listId":{number},"subscribers":['
            for batch, body in packed(rows, before, after, **limits):
                yield self.request(
                    path, body, batch, endpoint_class="lists", serial_key=f"list {number}"
                )
        users = (
            (o, {**self._who(o), "dataFields": o.payload})
            for o in of_kind(operations, Kind.PROFILE)
        )
        for batch, body in packed(users, '{"users":[', "]}", **limits):
            yield self.request("api/users/bulkUpdate", body, batch, endpoint_class="users")
        events = ((o, self._event(o)) for o in of_kind(operations, Kind.MOMENT))
        for batch, body in packed(events, '{"events":[', "]}", **limits):
            yield self.request("api/events/trackBulk", body, batch, endpoint_class="events")

    def verdict(self, response: Response) -> Verdict:
        """`BatchTooLarge` asks for halves, under whatever status it comes."""
        if not 200 <= response.status < 300 and b'"BatchTooLarge"' in response.body:
            return Verdict.TOO_LARGE
        return super().verdict(response)

    def results(self, request: Request, response: Response) -> Sequence[Result] | None:
        """Read which users failed, and why."""
        answer = response.json()
        failed = {
            who: field.removesuffix("Emails").removesuffix("UserIds")
            for field, users in answer["failedUpdates"].items()
            for who in users
        }
        is_disallowed = self.event_name in (answer.get("disallowedEventNames") or ())
        return [
            self._result(
                operation,
                response.status,
                "disallowedEventName" if is_disallowed else failed.get(operation.user_key),
            )
            for operation in request.operations
        ]

    def lookups(self, audiences: Sequence[str], names: Sequence[str]) -> Many[Lookup]:
        """Ask for the lists, and for the user fields: a new one is made by its first value."""
        numbers = {key: number for key in audiences if (number := self._list(key)) is not None}
        if numbers:
            request = self.request("api/lists", method="GET")
            faults = partial(self._unlisted, numbers)
            yield Lookup(Kind.AUDIENCE, request, tuple(numbers), faults=faults)
        if names:
            yield Lookup(
                Kind.PROFILE,
                self.request("api/users/getFields", method="GET"),
                tuple(names),
                faults=partial(_untyped, names),
                is_needed=False,
            )

    def _unlisted(self, numbers: Mapping[str, int], answer: Any) -> dict[str, str]:
        known = {int(one["id"]) for one in answer["lists"]}
        return {
            key: self.absence(key) or "" for key, number in numbers.items() if number not in known
        }

    def erasure(self, user_key: str) -> Sequence[Request]:
        """Delete the user, who may come back: to be forgotten for good is theirs to ask for."""
        path = f"api/users/byUserId/{quoted(user_key)}"
        return (self.request(path, method="DELETE", endpoint_class="delete"),)

    def probe(self) -> Request:
        """List the lists."""
        return self.request("api/lists", method="GET")

    def _result(self, operation: Operation, status: int, reason: str | None) -> Result:
        if reason is None or (reason == NOT_FOUND and operation.operation == "remove"):
            return Result(State.ACCEPTED, status)
        if reason == FORGOTTEN:
            return Result(State.SUPPRESSED, status, reason, "the person asked to be forgotten")
        return Result(State.REJECTED, status, reason, "Iterable refuses this user or event")

    def _list(self, audience: str) -> int | None:
        number = self.lists.get(audience)
        return int(audience) if number is None and audience.isdecimal() else number

    def _who(self, operation: Operation) -> dict[str, Any]:
        field = "userId" if self.identify_by == "userid" else "email"
        return {field: operation.user_key}

    def _event(self, operation: Operation) -> dict[str, Any]:
        return {
            **self._who(operation),
            "eventName": self.event_name,
            "id": operation.idempotency_key,
            "createdAt": seconds(operation),
            "dataFields": properties(operation),
        }

"""Intercom: tags as audiences, contacts as profiles, events one at a time."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from types import MappingProxyType
from typing import Any, ClassVar

from reverse_etl.destinations._vendor import Vendor, dumped, properties, quoted, seconds
from reverse_etl.destinations.base import (
    Capabilities,
    Dedupe,
    FieldNames,
    Lookup,
    flag,
    pairs,
    setting,
)
from reverse_etl.dispatch.rate import RateLimit
from reverse_etl.dispatch.transport import Transport
from reverse_etl.errors import NotSent, OutcomeUnknown
from reverse_etl.model import Kind, Operation, Request, Response

HOSTS = MappingProxyType(
    {
        "us": "https://api.intercom.io",
        "eu": "https://api.eu.intercom.io",
        "au": "https://api.au.intercom.io",
    }
)
CONTACT = "{contact}"
"""Where Intercom's own id of a contact belongs in a path; no quoted text can look like it."""
WHOSE = "contact "
"""How the serial key of such a request begins, before the id of the user."""
NO_CONTACT = b'{"errors":[{"code":"not_found","message":"Contact Not Found"}]}'
"""What Intercom answers about a contact that it does not know."""
STANDARD = frozenset({"email", "name", "phone"})
MOST_KNOWN = 100_000


@dataclass(frozen=True, kw_only=True)
class Intercom(Vendor):
    """Intercom knows contacts by an id of its own, which is looked up before it is needed.

    It cannot tell a repeated event.
    """

    name: ClassVar[str] = "intercom"
    regions: ClassVar[Mapping[str, str]] = HOSTS
    audience_form: ClassVar[str] = "tag {!r}"
    audience_map: ClassVar[str] = "tags"
    field_names: ClassVar[FieldNames] = FieldNames(most_bytes=190, forbidden="$.")

    access_token: str = setting(secret=True)
    version: str = setting("2.14")
    tags: Mapping[str, str] = setting(dict, parse=pairs)
    """Our audience keys and the ids of tags; others are used as they are."""
    create_contacts: bool = setting(True, parse=flag)
    """Whether a person whom Intercom does not know becomes a contact."""
    event_name: str = setting("kairos_moment")

    @cached_property
    def capabilities(self) -> Capabilities:
        """An app has 10,000 a minute in windows of 10 s; an edit of a contact may take three."""
        return Capabilities(
            dedupe={
                Kind.AUDIENCE: Dedupe.SET,
                Kind.PROFILE: Dedupe.SET,
                Kind.MOMENT: Dedupe.NONE,
            },
            rate_limits={"default": RateLimit(1_666, 10)},
        )

    def headers(self) -> Mapping[str, str]:
        """Token and version."""
        return {
            "Authorization": f"Bearer {self.access_token}",
            "Intercom-Version": self.version,
        }

    def knows_target(self, response: Response) -> bool:
        """A 404 is about the tag unless it is about the contact."""
        return b"Contact Not Found" in response.body

    def requests(self, operations: Sequence[Operation]) -> Iterable[Request]:
        """One request per operation; those about one contact never meet."""
        for o in operations:
            if o.kind == Kind.MOMENT:
                body = dumped(self._event(o))
                yield self.request("events", body, (o,))
                continue
            method, path, body = self._edit(o)
            yield self.request(
                path,
                body,
                (o,),
                method=method,
                serial_key=f"{WHOSE}{o.user_key}",
                # looking the contact up, perhaps making it, and the edit
                cost=3,
            )

    def transport(self) -> Transport:
        """Look contacts up on the way."""
        return Contacts(super().transport(), self._search, self._create)

    def lookups(self, audiences: Sequence[str], names: Sequence[str]) -> Iterable[Lookup]:
        """Ask for each tag, and for the attributes of contacts, which have to exist."""
        for key in audiences:
            tag = self.tags.get(key, key)
            request = self.request(f"tags/{quoted(tag)}", method="GET")
            yield self.lookup(request, key)
        if custom := tuple(name for name in names if name not in STANDARD):
            request = self.request("data_attributes?model=contact", method="GET")
            yield Lookup(Kind.PROFILE, request, custom, faults=partial(_unwritable, custom))

    def erasure(self, user_key: str) -> Sequence[Request]:
        """Delete the contact, if there is one."""
        path, key = f"contacts/{CONTACT}", f"{WHOSE}{user_key}"
        return (self.request(path, method="DELETE", serial_key=key),)

    def probe(self) -> Request:
        """Ask whose token it is."""
        return self.request("me", method="GET")

    def _edit(self, operation: Operation) -> tuple[str, str, bytes | None]:
        if operation.kind == Kind.PROFILE:
            own = {k: v for k, v in operation.payload.items() if k in STANDARD}
            custom = {k: v for k, v in operation.payload.items() if k not in STANDARD}
            return "PUT", f"contacts/{CONTACT}", dumped({**own, "custom_attributes": custom})
        tag = self.tags.get(operation.object_key, operation.object_key)
        if operation.operation == "add":
            return "POST", f"contacts/{CONTACT}/tags", dumped({"id": tag})
        return "DELETE", f"contacts/{CONTACT}/tags/{quoted(tag)}", None

    def _event(self, operation: Operation) -> dict[str, Any]:
        return {
            "event_name": self.event_name,
            "created_at": seconds(operation),
            "user_id": operation.user_key,
            "metadata": properties(operation),
        }

    def _search(self, user: str) -> Request:
        query = {"field": "external_id", "operator": "=", "value": user}
        return self.request("contacts/search", dumped({"query": query}))

    def _create(self, user: str) -> Request | None:
        if not self.create_contacts:
            return None
        return self.request("contacts", dumped({"role": "user", "external_id": user}))


def _unwritable(names: Sequence[str], answer: Any) -> dict[str, str]:
    known = {
        str(one["name"]): one.get("api_writable", True) and not one.get("archived", False)
        for one in answer["data"]
        if one.get("custom")
    }
    faults = {
        False: "does not let us write the attribute {!r}: unarchive it, or make it writable",
        None: "has no attribute {!r} of people: make it in Settings, Data",
    }
    return {name: faults[known.get(name)].format(name) for name in names if not known.get(name)}


class Contacts:
    """A transport that puts Intercom's id of a contact where a request needs it."""

    def __init__(
        self,
        inner: Transport,
        search: Callable[[str], Request],
        create: Callable[[str], Request | None],
    ) -> None:
        """Look up with `search`; whom Intercom does not know is made by `create`, if it will."""
        self._inner = inner
        self._search = search
        self._create = create
        self._known: dict[str, str] = {}

    def send(self, request: Request) -> Response:
        """Send once, after what it takes to know the contact."""
        if CONTACT not in request.url:
            return self._inner.send(request)
        user = (request.serial_key or "").removeprefix(WHOSE)
        found = self._known.get(user) or self._find(user, request.method)
        if isinstance(found, Response):
            return found
        if len(self._known) < MOST_KNOWN:
            self._known[user] = found
        response = self._inner.send(replace(request, url=request.url.replace(CONTACT, found)))
        if response.status == 404:
            self._known.pop(user, None)
        return response

    def close(self) -> None:
        """Close connections."""
        self._inner.close()

    def _find(self, user: str, method: str) -> str | Response:
        """Give the contact's id, or the answer that ends the matter."""
        try:
            answer = self._inner.send(self._search(user))
            contacts = answer.json()["data"] if answer.status == 200 else None
        except OutcomeUnknown as error:
            raise NotSent(f"looking the contact up: {error}") from error
        except (ValueError, KeyError, TypeError) as error:
            raise NotSent("looking the contact up: the answer cannot be understood") from error
        if contacts is None:
            return answer
        if contacts:
            return quoted(str(contacts[0]["id"]))
        if method == "DELETE":
            # whom Intercom does not know carries no tag, and is nobody to delete
            return Response(200, {}, b"{}")
        create = self._create(user)
        if create is None:
            return Response(404, {}, NO_CONTACT)
        answer = self._inner.send(create)
        try:
            return quoted(str(answer.json()["id"])) if answer.status == 200 else answer
        except (ValueError, KeyError, TypeError) as error:
            raise OutcomeUnknown("making the contact: the answer cannot be understood") from error

"""Intercom, API 2.14: contacts, events one at a time, and tags as audiences."""

import math
from typing import Any, ClassVar

from reverse_etl.sandbox.limits import Limit
from reverse_etl.sandbox.shape import (
    anything,
    boolean,
    epoch_seconds,
    mapping,
    one_of,
    shaped,
    text,
)
from reverse_etl.sandbox.vendor import Refusal, Vendor, document_of, key_of, route
from reverse_etl.sandbox.wire import Request, Response

TOKEN, VERSION = "sandbox-token", "2.14"

CONTACT = {
    "role?": one_of("user", "lead"),
    "external_id?": text,
    "email?": text,
    "name?": anything,
    "phone?": anything,
    "signed_up_at?": epoch_seconds,
    "last_seen_at?": epoch_seconds,
    "unsubscribed_from_emails?": boolean,
    "custom_attributes?": mapping,
}
SEARCH = shaped(
    {
        "query": shaped(
            {
                "field": one_of("external_id", "email"),
                "operator": one_of("=", "IN"),
                "value": anything,
            }
        ),
        "pagination?": mapping,
    }
)
EVENT = shaped(
    {
        "event_name": text,
        "created_at": epoch_seconds,
        "user_id?": text,
        "email?": text,
        "id?": text,
        "metadata?": mapping,
    }
)


class Intercom(Vendor):
    """Knows contacts by an id of its own; cannot tell a repeated event."""

    name = "intercom"
    limits: ClassVar[dict[str, tuple[int, float]]] = {"default": (1666, 10.0)}
    """Ten thousand a minute, counted in windows of ten seconds."""

    def reset(self) -> None:
        """Forget contacts and tags."""
        super().reset()
        self.contacts: dict[str, dict[str, Any]] = {}
        self.tags: dict[str, str] = {}

    def environment(self, base_url: str) -> dict[str, str]:
        """Give the token."""
        return {"KAIROS_INTERCOM_BASE_URL": base_url, "KAIROS_INTERCOM_ACCESS_TOKEN": TOKEN}

    def dump(self) -> dict[str, Any]:
        """Add contacts and tags."""
        return {**super().dump(), "contacts": self.contacts, "tags": self.tags}

    def load(self, document: dict[str, Any]) -> None:
        """Take up contacts and tags too."""
        super().load(document)
        self.contacts, self.tags = document["contacts"], document["tags"]

    def authorize(self, request: Request) -> None:
        """Check the bearer token and the version."""
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            raise Refusal(401, "Access Token Invalid", "unauthorized")
        if request.headers.get("intercom-version", VERSION) != VERSION:
            raise Refusal(
                400, "the requested version could not be found", "intercom_version_invalid"
            )

    def refuse(self, refusal: Refusal) -> Response:
        """Say it as a list of errors."""
        codes = {404: "not_found", 429: "rate_limit_exceeded"}
        code = refusal.code or codes.get(refusal.status, "parameter_invalid")
        return Response(
            refusal.status,
            {
                "type": "error.list",
                "request_id": "sandbox",
                "errors": [{"code": code, "message": refusal.message}],
            },
        )

    def limit_headers(self, limit: Limit) -> dict[str, str]:
        """Tell limit, remainder and the epoch second in which the window ends."""
        return {
            "X-RateLimit-Limit": str(limit.requests),
            "X-RateLimit-Remaining": str(limit.remaining),
            "X-RateLimit-Reset": str(math.ceil(limit.resets_at)),
        }

    def retry_headers(self, limit: Limit, seconds: float) -> dict[str, str]:
        """Send none: the reset header says it."""
        return {}

    @route("GET", "/me")
    def who_am_i(self, request: Request) -> Response:
        """Say whose token it is."""
        return Response(200, {"type": "admin", "id": "1", "app": {"id_code": "sandbox"}})

    @route("POST", "/contacts")
    def create(self, request: Request) -> Response:
        """Make a contact; 409 when one with the same external id or address exists."""
        document = document_of(request, shaped(CONTACT))
        who = document.get("external_id") or document.get("email")
        if not who:
            raise Refusal(400, "external_id or email is required", "parameter_not_found")
        self._check_user(who)
        for field in ("external_id", "email"):
            for contact in self.contacts.values():
                if document.get(field) and contact.get(field) == document[field]:
                    raise Refusal(
                        409,
                        f"A contact matching those details already exists with id={contact['id']}",
                        "conflict",
                    )
        contact = {"type": "contact", "id": f"contact-{len(self.contacts) + 1}", **document}
        self.contacts[contact["id"]] = contact
        self.witness.update(who, dict(document.get("custom_attributes", {})))
        return Response(200, contact)

    @route("PUT", "/contacts/{contact}")
    def update(self, request: Request, contact: str) -> Response:
        """Change a contact."""
        document = document_of(request, shaped(CONTACT))
        known = self._contact(contact)
        self._check_user(self._who(contact))
        attributes = document.pop("custom_attributes", {})
        known.update(document)
        known.setdefault("custom_attributes", {}).update(attributes)
        self.witness.update(self._who(contact), attributes)
        return Response(200, known)

    @route("GET", "/contacts/{contact}")
    def read(self, request: Request, contact: str) -> Response:
        """Give a contact."""
        return Response(200, self._contact(contact))

    @route("DELETE", "/contacts/{contact}")
    def delete(self, request: Request, contact: str) -> Response:
        """Forget a contact."""
        self._contact(contact)
        self.witness.forget(self._who(contact))
        del self.contacts[contact]
        return Response(200, {"type": "contact", "id": contact, "deleted": True})

    @route("POST", "/contacts/search")
    def search(self, request: Request) -> Response:
        """Find contacts by external id or address."""
        query = document_of(request, SEARCH)["query"]
        value = query["value"]
        wanted = value if query["operator"] == "IN" and isinstance(value, list) else [value]
        found = [
            contact for contact in self.contacts.values() if contact.get(query["field"]) in wanted
        ]
        return Response(200, {"type": "list", "data": found, "total_count": len(found)})

    @route("POST", "/events")
    def record_event(self, request: Request) -> Response:
        """Record an event, once more when it comes once more."""
        event = document_of(request, EVENT)
        user = event.get("user_id") or event.get("email") or event.get("id")
        if not user:
            raise Refusal(400, "user_id, email or id is required", "parameter_not_found")
        if user.startswith("missing"):
            raise Refusal(404, "User Not Found", "not_found")
        self._check_user(user)
        key = key_of(event.get("metadata", {}), user, event["event_name"], event["created_at"])
        self.witness.record(key, event["event_name"])
        return Response(202)

    @route("GET", "/tags")
    def read_tags(self, request: Request) -> Response:
        """Give the tags."""
        tags = [{"type": "tag", "id": tag, "name": name} for tag, name in self.tags.items()]
        return Response(200, {"type": "list", "data": tags})

    @route("POST", "/tags")
    def create_tag(self, request: Request) -> Response:
        """Make a tag; one of the same name is given back."""
        name = document_of(request, shaped({"name": text}))["name"]
        for tag, known in self.tags.items():
            if known == name:
                return Response(200, {"type": "tag", "id": tag, "name": name})
        tag = f"tag-{len(self.tags) + 1}"
        self.tags[tag] = name
        self.create_audience(tag)
        return Response(200, {"type": "tag", "id": tag, "name": name})

    @route("GET", "/tags/{tag}")
    def read_tag(self, request: Request, tag: str) -> Response:
        """Give a tag."""
        self.check_audience(tag)
        return Response(200, {"type": "tag", "id": tag, "name": self.tags.get(tag, tag)})

    @route("GET", "/data_attributes")
    def read_attributes(self, request: Request) -> Response:
        """Give the attributes of contacts: standard ones, and those that were ever set."""
        if request.query.get("model") != "contact":
            raise Refusal(400, "this stand-in knows attributes of contacts alone")
        custom = {name for fields in self.witness.profiles.values() for name in fields}
        attributes = [
            {
                "type": "data_attribute",
                "model": "contact",
                "name": name,
                "full_name": f"custom_attributes.{name}" if name in custom else name,
                "custom": name in custom,
                "api_writable": True,
                "archived": False,
            }
            for name in ("name", "email", "phone", *sorted(custom))
        ]
        return Response(200, {"type": "list", "data": attributes})

    @route("POST", "/contacts/{contact}/tags")
    def add_tag(self, request: Request, contact: str) -> Response:
        """Tag a contact."""
        tag = document_of(request, shaped({"id": text}))["id"]
        self.check_audience(tag)
        self._contact(contact)
        self._check_user(self._who(contact))
        self.witness.add(tag, self._who(contact))
        return Response(200, {"type": "tag", "id": tag, "name": self.tags.get(tag, tag)})

    @route("DELETE", "/contacts/{contact}/tags/{tag}")
    def remove_tag(self, request: Request, contact: str, tag: str) -> Response:
        """Take a tag away."""
        self.check_audience(tag)
        self._contact(contact)
        self.witness.remove(tag, self._who(contact))
        return Response(200, {"type": "tag", "id": tag, "name": self.tags.get(tag, tag)})

    def _contact(self, contact: str) -> dict[str, Any]:
        if contact not in self.contacts:
            raise Refusal(404, "Contact Not Found", "not_found")
        return self.contacts[contact]

    def _who(self, contact: str) -> str:
        known = self._contact(contact)
        return str(known.get("external_id") or known.get("email"))

    def _check_user(self, user: str) -> None:
        if self.is_rejected(user):
            raise Refusal(422, "the contact is not valid", "parameter_invalid")

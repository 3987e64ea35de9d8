"""Customer.io, the Track API: version 1 per person, version 2 per entity and in batches."""

from collections.abc import Mapping
from typing import Any, ClassVar

from reverse_etl.sandbox.limits import Limit
from reverse_etl.sandbox.shape import (
    Check,
    epoch_seconds,
    list_of,
    mapping,
    matching,
    one_of,
    shaped,
    text,
)
from reverse_etl.sandbox.vendor import (
    Refusal,
    Vendor,
    basic,
    check_size,
    document_of,
    key_of,
    route,
    size_of,
)
from reverse_etl.sandbox.wire import Request, Response

SITE_ID, KEY, APP_KEY = "sandbox-site", "sandbox-api-key", "sandbox-app-key"
LARGEST_BATCH_BYTES = 500 * 1024
LARGEST_ENTITY_BYTES = 32 * 1024
LARGEST_DATA_BYTES = 100 * 1024
LARGEST_IDS = 1000
LARGEST_ATTRIBUTES = 300

ULID = matching("[0-7][0-9A-HJKMNP-TV-Z]{25}", "a ULID")
EVENT: dict[str, Check] = {
    "name": text,
    "id?": ULID,
    "timestamp?": epoch_seconds,
    "type?": one_of("event", "page", "screen"),
}
V1_EVENT = shaped({**EVENT, "data?": mapping})
IDS = shaped({"ids": list_of(text, 1, LARGEST_IDS)})
IDENTIFIERS = shaped({"id?": text, "email?": text, "cio_id?": text})
ENTITY = {
    "identify": shaped(
        {
            "type": one_of("person"),
            "identifiers": IDENTIFIERS,
            "action": text,
            "attributes?": mapping,
        }
    ),
    "event": shaped(
        {
            "type": one_of("person"),
            "identifiers": IDENTIFIERS,
            "action": text,
            "attributes?": mapping,
            "name": text,
            "id?": ULID,
            "timestamp?": epoch_seconds,
        }
    ),
    "delete": shaped({"type": one_of("person"), "identifiers": IDENTIFIERS, "action": text}),
}


class CustomerIo(Vendor):
    """Answers 207 to a batch of which rows failed; knows an event by its ULID."""

    name = "customerio"
    limits: ClassVar[dict[str, tuple[int, float]]] = {"default": (1000, 1.0)}

    def reset(self) -> None:
        """Forget how many ids were ignored."""
        super().reset()
        self.ignored_count = 0

    def environment(self, base_url: str) -> dict[str, str]:
        """Give site and key."""
        return {
            "KAIROS_CUSTOMERIO_BASE_URL": base_url,
            "KAIROS_CUSTOMERIO_SITE_ID": SITE_ID,
            "KAIROS_CUSTOMERIO_API_KEY": KEY,
            "KAIROS_CUSTOMERIO_APP_URL": base_url,
            "KAIROS_CUSTOMERIO_APP_API_KEY": APP_KEY,
        }

    def authorize(self, request: Request) -> None:
        """Check Basic credentials, or the bearer of the App API."""
        if "/api/" not in request.path:
            if request.headers.get("authorization") != f"Bearer {APP_KEY}":
                raise Refusal(401, "Unauthorized request")
        elif request.headers.get("authorization") != basic(SITE_ID, KEY):
            raise Refusal(401, "Unauthorized request")

    def refuse(self, refusal: Refusal) -> Response:
        """Say it as a list of errors."""
        errors = refusal.details.get("errors") or [
            {"reason": refusal.code or "invalid", "field": "", "message": refusal.message}
        ]
        return Response(refusal.status, {"errors": errors, "meta": {"error": refusal.message}})

    def retry_headers(self, limit: Limit, seconds: float) -> dict[str, str]:
        """Send none: the vendor has no such headers."""
        return {}

    def state(self, is_detailed: bool = True) -> dict[str, Any]:
        """Add how many ids of memberships fitted nobody."""
        return {**super().state(is_detailed), "ignored_count": self.ignored_count}

    @route("GET", "/api/v1/accounts/region")
    def region(self, request: Request) -> Response:
        """Say in which region the account lives."""
        return Response(200, {"url": "track.customer.io", "data_center": "us", "environment_id": 1})

    @route("PUT", "/api/v1/customers/{user}")
    def update(self, request: Request, user: str) -> Response:
        """Set attributes of a person."""
        attributes = document_of(request, mapping)
        fault = self._person_fault(user) or _attributes_fault(attributes)
        if fault is not None:
            raise Refusal(400, fault)
        self._set(user, attributes)
        return Response(200, {})

    @route("DELETE", "/api/v1/customers/{user}")
    def delete(self, request: Request, user: str) -> Response:
        """Forget a person."""
        self.witness.forget(user)
        return Response(200, {})

    @route("POST", "/api/v1/customers/{user}/events")
    def track(self, request: Request, user: str) -> Response:
        """Record an event of a person."""
        event = document_of(request, V1_EVENT)
        fault = self._person_fault(user) or _event_fault(event["name"], event.get("data", {}))
        if fault is not None:
            raise Refusal(400, fault)
        self._record(user, event, event.get("data", {}))
        return Response(200, {})

    @route("GET", "/v1/segments/{segment}")
    def read_segment(self, request: Request, segment: str) -> Response:
        """Give a segment, of the App API; those whose id begins with `dynamic` fill themselves."""
        self.check_audience(segment)
        kind = "dynamic" if segment.startswith("dynamic") else "manual"
        return Response(200, {"segment": {"id": segment, "name": segment, "type": kind}})

    @route("POST", "/api/v1/segments/{segment}/add_customers")
    def add_customers(self, request: Request, segment: str) -> Response:
        """Add members to a manual segment; ids that fit nobody are ignored."""
        for user in self._known_ids(request, segment):
            self.witness.add(segment, user)
        return Response(200, {})

    @route("POST", "/api/v1/segments/{segment}/remove_customers")
    def remove_customers(self, request: Request, segment: str) -> Response:
        """Remove members from a manual segment; ids that fit nobody are ignored."""
        for user in self._known_ids(request, segment):
            self.witness.remove(segment, user)
        return Response(200, {})

    @route("POST", "/api/v2/entity")
    def entity(self, request: Request) -> Response:
        """Do one thing."""
        check_size(request, LARGEST_ENTITY_BYTES)
        entity = document_of(request, mapping)
        if (fault := self._entity_fault(entity)) is not None:
            raise Refusal(400, fault["message"], errors=[fault])
        self._apply(entity)
        return Response(200, {})

    @route("POST", "/api/v2/batch")
    def batch(self, request: Request) -> Response:
        """Do many things; those that failed are named, the rest is done."""
        check_size(request, LARGEST_BATCH_BYTES)
        entities = document_of(request, shaped({"batch": list_of(mapping, 1)}))["batch"]
        errors = []
        for position, entity in enumerate(entities):
            fault = self._entity_fault(entity)
            if fault is None:
                self._apply(entity)
            else:
                errors.append({"batch_index": position, **fault})
        return Response(207, {"errors": errors}) if errors else Response(200, {})

    def _entity_fault(self, entity: Mapping[str, Any]) -> dict[str, str] | None:
        check = ENTITY.get(str(entity.get("action")))
        if check is None:
            return _fault("action", "is not one that is known")
        if (fault := check(entity)) is not None:
            return _fault("", fault)
        if size_of(entity) > LARGEST_ENTITY_BYTES:
            return _fault("", "is larger than 32 KB")
        identifiers = entity["identifiers"]
        if not identifiers:
            return _fault("identifiers", "are empty")
        attributes = entity.get("attributes", {})
        person = self._person_fault(_who(identifiers))
        if entity["action"] == "event":
            fault = _event_fault(entity["name"], attributes)
        else:
            fault = _attributes_fault(attributes)
        return _fault("identifiers" if person else "attributes", person or fault)

    def _apply(self, entity: Mapping[str, Any]) -> None:
        user = _who(entity["identifiers"])
        attributes = entity.get("attributes", {})
        if entity["action"] == "identify":
            self._set(user, attributes)
        elif entity["action"] == "delete":
            self.witness.forget(user)
        else:
            self._record(user, entity, attributes)

    def _set(self, user: str, attributes: Mapping[str, Any]) -> None:
        # an attribute that is set to nothing goes
        self.witness.update(user, {k: None if v == "" else v for k, v in attributes.items()})

    def _record(self, user: str, event: Mapping[str, Any], data: Mapping[str, Any]) -> None:
        if "id" in event:
            self.witness.record_once(event["id"], event["name"])
        else:
            key = key_of(data, user, event["name"], event.get("timestamp"))
            self.witness.record(key, event["name"])

    def _known_ids(self, request: Request, segment: str) -> list[str]:
        ids: list[str] = document_of(request, IDS)["ids"]
        if request.query.get("id_type", "id") not in ("id", "email", "cio_id"):
            raise Refusal(400, "id_type is none of id, email, cio_id")
        self.check_audience(segment)
        known = [user for user in ids if not user.startswith("missing")]
        known = [user for user in known if not self.is_rejected(user)]
        self.ignored_count += len(ids) - len(known)
        return known

    def _person_fault(self, user: str) -> str | None:
        if len(user.encode()) > 150:
            return "an id has more than 150 bytes"
        return "the person is refused" if self.is_rejected(user) else None


def _attributes_fault(attributes: Mapping[str, Any]) -> str | None:
    if len(attributes) > LARGEST_ATTRIBUTES:
        return f"more than {LARGEST_ATTRIBUTES} attributes"
    for name, value in attributes.items():
        if value is None:
            return f"the attribute {name[:20]} is no text, number or boolean"
        if len(name.encode()) > 150 or (isinstance(value, str) and len(value.encode()) > 1000):
            return f"the attribute {name[:20]} is too long"
    return None


def _event_fault(name: str, data: Mapping[str, Any]) -> str | None:
    if len(name.encode()) > 100:
        return "the name of the event has more than 100 bytes"
    return "the data has more than 100 KB" if size_of(data) > LARGEST_DATA_BYTES else None


def _fault(field: str, message: str | None) -> dict[str, str] | None:
    if message is None:
        return None
    return {"reason": "invalid", "field": field, "message": f"{field} {message}".strip()}


def _who(identifiers: Mapping[str, str]) -> str:
    return identifiers.get("id") or identifiers.get("email") or identifiers.get("cio_id") or ""

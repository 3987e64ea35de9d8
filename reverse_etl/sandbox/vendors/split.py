"""Split, by now Harness FME: the keys of segments, and events."""

import math
from typing import Any, ClassVar

from reverse_etl.sandbox.limits import Limit
from reverse_etl.sandbox.shape import (
    anything,
    epoch_milliseconds,
    list_of,
    mapping,
    matching,
    number,
    shaped,
    text,
)
from reverse_etl.sandbox.vendor import Refusal, Vendor, check_size, document_of, key_of, route
from reverse_etl.sandbox.wire import Request, Response

ADMIN_KEY, SDK_KEY, ENVIRONMENT = "sandbox-admin-key", "sandbox-sdk-key", "sandbox-environment"
LARGEST_KEYS = 10_000
LARGEST_EVENTS_BYTES = 1_000_000
LARGEST_PROPERTIES = 300
ADMIN = "/internal/api/v2"

KEYS = shaped({"keys": list_of(text, 1, LARGEST_KEYS), "comment?": anything, "title?": anything})
EVENT = shaped(
    {
        "eventTypeId": matching("[a-zA-Z0-9][-_.a-zA-Z0-9]{0,62}", "an event type id"),
        "trafficTypeName": text,
        "environmentName?": text,
        "key": text,
        "timestamp": epoch_milliseconds,
        "value?": number,
        "properties?": mapping,
    }
)


class Split(Vendor):
    """Adds and removes keys; `replace=true` forgets all that were there before."""

    name = "split"
    limits: ClassVar[dict[str, tuple[int, float]]] = {"default": (100, 10.0), "events": (1000, 1.0)}
    """The vendor publishes no numbers; these are the stand-in's own."""

    def environment(self, base_url: str) -> dict[str, str]:
        """Give both keys and the environment."""
        return {
            "KAIROS_SPLIT_BASE_URL": base_url + ADMIN,
            "KAIROS_SPLIT_EVENTS_URL": f"{base_url}/api",
            "KAIROS_SPLIT_ADMIN_KEY": ADMIN_KEY,
            "KAIROS_SPLIT_SDK_KEY": SDK_KEY,
            "KAIROS_SPLIT_ENVIRONMENT_ID": ENVIRONMENT,
        }

    def authorize(self, request: Request) -> None:
        """Check the key: one for administration, one for events."""
        key = ADMIN_KEY if ADMIN in request.path else SDK_KEY
        is_harness = key == ADMIN_KEY and request.headers.get("x-api-key") == ADMIN_KEY
        if request.headers.get("authorization") != f"Bearer {key}" and not is_harness:
            raise Refusal(401, "the key is not valid")

    def refuse(self, refusal: Refusal) -> Response:
        """Say it by code and message."""
        return Response(
            refusal.status, {"code": refusal.status, "message": refusal.message, "details": ""}
        )

    def retry_headers(self, limit: Limit, seconds: float) -> dict[str, str]:
        """Tell the seconds to wait, of the organisation and of the address; the longer counts."""
        wait = max(1, math.ceil(seconds))
        return {
            "X-RateLimit-Remaining-Org": "0",
            "X-RateLimit-Reset-Seconds-Org": str(wait),
            "X-RateLimit-Remaining-IP": str(limit.requests),
            "X-RateLimit-Reset-Seconds-IP": "0",
        }

    @route("GET", f"{ADMIN}/workspaces")
    def workspaces(self, request: Request) -> Response:
        """List the one workspace."""
        return Response(200, {"objects": [{"id": "sandbox", "name": "sandbox"}]})

    @route("PUT", f"{ADMIN}/segments/{{environment}}/{{segment}}/uploadKeys")
    def upload_keys(self, request: Request, environment: str, segment: str) -> Response:
        """Add keys, or replace all of them."""
        keys = self._keys(request, environment, segment)
        replaces = request.query.get("replace")
        if replaces not in ("true", "false"):
            raise Refusal(400, "replace is neither true nor false")
        if replaces == "true":
            self.witness.replace(segment, [])
        for key in keys:
            self.witness.add(segment, key)
        return Response(200, {"count": len(keys)})

    @route("PUT", f"{ADMIN}/segments/{{environment}}/{{segment}}/removeKeys")
    def remove_keys(self, request: Request, environment: str, segment: str) -> Response:
        """Remove keys."""
        keys = self._keys(request, environment, segment)
        for key in keys:
            self.witness.remove(segment, key)
        return Response(200, {"count": len(keys)})

    @route("GET", f"{ADMIN}/segments/{{environment}}/{{segment}}/keys")
    def read_keys(self, request: Request, environment: str, segment: str) -> Response:
        """Give a page of the keys."""
        self._check_place(environment, segment)
        offset, limit = int(request.query.get("offset", 0)), int(request.query.get("limit", 100))
        members = sorted(self.witness.members.get(segment, set()))
        page = [{"key": key} for key in members[offset : offset + limit]]
        return Response(200, {"keys": page, "offset": offset, "count": len(members)})

    @route("POST", "/api/events", limit_class="events")
    def take_event(self, request: Request) -> Response:
        """Record one event, once more when it comes once more."""
        self._record([document_of(request, EVENT)])
        return Response(202)

    @route("POST", "/api/events/bulk", limit_class="events")
    def take_events(self, request: Request) -> Response:
        """Record many events, all or none."""
        check_size(request, LARGEST_EVENTS_BYTES)
        self._record(document_of(request, list_of(EVENT, 1)))
        return Response(202)

    def _record(self, events: list[dict[str, Any]]) -> None:
        for event in events:
            if len(event.get("properties", {})) > LARGEST_PROPERTIES:
                raise Refusal(400, f"an event has more than {LARGEST_PROPERTIES} properties")
            if self.is_rejected(event["key"]):
                raise Refusal(400, "a key is not valid")
        for event in events:
            name = event["eventTypeId"]
            key = key_of(event.get("properties", {}), event["key"], name, event["timestamp"])
            self.witness.record(key, name)

    def _keys(self, request: Request, environment: str, segment: str) -> list[str]:
        keys: list[str] = document_of(request, KEYS)["keys"]
        self._check_place(environment, segment)
        if any(self.is_rejected(key) for key in keys):
            raise Refusal(400, "a key is not valid")
        return keys

    def _check_place(self, environment: str, segment: str) -> None:
        if environment != ENVIRONMENT:
            raise Refusal(404, "there is no such environment")
        self.check_audience(segment)

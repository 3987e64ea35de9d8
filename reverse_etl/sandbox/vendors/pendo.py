"""Pendo: segment membership by patch, visitor metadata in bulk, track events.

Visitors whose id begins with `missing` do not exist, and are not made unless `create=true`.
"""

from typing import Any, ClassVar

from reverse_etl.sandbox.limits import Limit
from reverse_etl.sandbox.shape import (
    epoch_milliseconds,
    list_of,
    mapping,
    one_of,
    shaped,
    text,
)
from reverse_etl.sandbox.vendor import Refusal, Vendor, document_of, key_of, route
from reverse_etl.sandbox.wire import Request, Response

KEY, TRACK_SECRET = "sandbox-integration-key", "sandbox-track-secret"

UPLOAD = shaped({"name": text, "visitors": list_of(text, 1)})
PATCH = shaped(
    {
        "patch": list_of(
            shaped(
                {
                    "op": one_of("add", "remove"),
                    "path": one_of("/visitors"),
                    "value": list_of(text, 1),
                }
            ),
            1,
        )
    }
)
VALUES = list_of(shaped({"visitorId?": text, "accountId?": text, "values": mapping}), 1)
TRACK = shaped(
    {
        "type": one_of("track"),
        "event": text,
        "visitorId": text,
        "accountId?": text,
        "timestamp": epoch_milliseconds,
        "properties?": mapping,
        "context?": mapping,
    }
)
VISITORS = shaped({"visitors": list_of(text, 1)})


class Pendo(Vendor):
    """Answers 409 while another edit of the same segment runs."""

    name = "pendo"
    limits: ClassVar[dict[str, tuple[int, float]]] = {"default": (100, 1.0), "track": (100, 1.0)}

    def reset(self) -> None:
        """Forget the segments' names too."""
        super().reset()
        self.segments: dict[str, str] = {}

    def environment(self, base_url: str) -> dict[str, str]:
        """Give both keys: the integration's and the track event's."""
        return {
            "KAIROS_PENDO_BASE_URL": base_url,
            "KAIROS_PENDO_DATA_URL": base_url,
            "KAIROS_PENDO_INTEGRATION_KEY": KEY,
            "KAIROS_PENDO_TRACK_SECRET": TRACK_SECRET,
        }

    def authorize(self, request: Request) -> None:
        """Check the one header that carries a key: which one depends on the endpoint."""
        is_track = request.path.endswith("/data/track")
        if request.headers.get("x-pendo-integration-key") != (TRACK_SECRET if is_track else KEY):
            raise Refusal(403, "the key is not valid")

    def retry_headers(self, limit: Limit, seconds: float) -> dict[str, str]:
        """Send none: a leaky bucket says nothing about time."""
        return {}

    @route("GET", "/api/v1/token/verify")
    def verify(self, request: Request) -> Response:
        """Say that the key is right."""
        return Response(200, {"readAccess": True, "writeAccess": True})

    @route("POST", "/api/v1/segment/upload")
    def upload(self, request: Request) -> Response:
        """Make a segment with its first members."""
        document = document_of(request, UPLOAD)
        segment = f"segment-{len(self.segments) + 1}"
        self.segments[segment] = document["name"]
        for visitor in document["visitors"]:
            self.witness.add(segment, visitor)
        return Response(200, {"segmentId": segment})

    @route("GET", "/api/v1/segment/{segment}")
    def read_segment(self, request: Request, segment: str) -> Response:
        """Give a segment's name."""
        self.check_audience(segment)
        return Response(200, {"id": segment, "name": self.segments.get(segment, segment)})

    @route(
        "PATCH",
        "/api/v1/segment/{segment}/visitor",
        alone=lambda request, arguments: arguments["segment"],
    )
    def patch_segment(self, request: Request, segment: str) -> Response:
        """Add and remove members; each operation has its own status."""
        operations = document_of(request, PATCH)["patch"]
        self.check_audience(segment)
        return Response(
            200, {"multistatus": [self._operate(segment, operation) for operation in operations]}
        )

    def _operate(self, segment: str, operation: dict[str, Any]) -> dict[str, Any]:
        refused = [visitor for visitor in operation["value"] if self.is_rejected(visitor)]
        if refused:
            return {"status": 400, "message": "invalid visitor id", "operation": operation["op"]}
        change = self.witness.add if operation["op"] == "add" else self.witness.remove
        for visitor in operation["value"]:
            change(segment, visitor)
        return {"status": 200, "message": "OK", "operation": operation["op"]}

    @route("POST", "/api/v1/metadata/{kind}/{group}/value")
    def set_values(self, request: Request, kind: str, group: str) -> Response:
        """Set metadata of many visitors or accounts."""
        rows = document_of(request, VALUES)
        if kind not in ("visitor", "account") or group not in ("custom", "agent"):
            raise Refusal(404, "there is no such metadata")
        name = f"{kind}Id"
        if any(set(row) != {name, "values"} for row in rows):
            raise Refusal(400, f"every row carries {name} and values")
        creates = request.query.get("create") == "true"
        failed = [row[name] for row in rows if self.is_rejected(row[name])]
        missing = [row[name] for row in rows if row[name].startswith("missing") and not creates]
        for row in rows:
            if row[name] not in (*failed, *missing):
                self.witness.update(row[name], row["values"])
        return Response(
            200,
            {
                "total": len(rows),
                "updated": len(rows) - len(failed) - len(missing),
                "failed": len(failed),
                "missing": missing,
                "errors": [{"id": user, "message": "invalid"} for user in failed],
            },
        )

    @route("GET", "/api/v1/metadata/schema/visitor")
    def read_schema(self, request: Request) -> Response:
        """Give the fields of visitors by group: those that were ever set, which here makes them."""
        known = {name for fields in self.witness.profiles.values() for name in fields}
        fields = {name: {"Type": "string", "DisplayName": name} for name in sorted(known)}
        return Response(200, {"auto": {"id": {"Type": "string"}}, "custom": fields})

    @route("POST", "/api/v1/bulkdelete/visitor")
    def delete_visitors(self, request: Request) -> Response:
        """Forget visitors."""
        for visitor in document_of(request, VISITORS)["visitors"]:
            self.witness.forget(visitor)
        return Response(200, {"status": "ok"})

    @route("POST", "/data/track", limit_class="track")
    def track(self, request: Request) -> Response:
        """Record an event, once more when it comes once more."""
        event = document_of(request, TRACK)
        if self.is_rejected(event["visitorId"]):
            raise Refusal(400, "the visitor id is not valid")
        properties = event.get("properties", {})
        key = key_of(properties, event["visitorId"], event["event"], event["timestamp"])
        self.witness.record(key, event["event"])
        return Response(200)

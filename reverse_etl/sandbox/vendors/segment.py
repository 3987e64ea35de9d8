"""Segment's HTTP tracking API: single calls and batches, deduplicated by `messageId`.

It answers success to batches that it then drops; the state says how many events were lost so.
"""

import math
from collections.abc import Mapping
from typing import Any, ClassVar

from reverse_etl.sandbox.limits import Limit
from reverse_etl.sandbox.shape import anything, iso_instant, list_of, mapping, one_of, shaped, text
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

WRITE_KEY = "sandbox-write-key"
TYPES = ("identify", "track", "group", "page", "screen", "alias")
LARGEST_BATCH_BYTES = 500 * 1024
LARGEST_EVENT_BYTES = 32 * 1024
LARGEST_BATCH = 2500
LARGEST_ID = 100

FIELDS = {
    "userId?": text,
    "anonymousId?": text,
    "event?": text,
    "name?": anything,
    "groupId?": text,
    "previousId?": text,
    "properties?": mapping,
    "traits?": mapping,
    "context?": mapping,
    "integrations?": mapping,
    "timestamp?": iso_instant,
    "sentAt?": iso_instant,
    "messageId?": text,
    "writeKey?": text,
}
MESSAGE = shaped({**FIELDS, "type?": one_of(*TYPES)})
BATCH = shaped(
    {
        "batch": list_of(shaped({**FIELDS, "type": one_of(*TYPES)}), 1),
        "writeKey?": text,
        "context?": mapping,
        "integrations?": mapping,
        "sentAt?": iso_instant,
    }
)


class Segment(Vendor):
    """Says success, and deduplicates by message id; traits are the memberships."""

    name = "segment"
    limits: ClassVar[dict[str, tuple[int, float]]] = {"default": (1000, 1.0)}

    def reset(self) -> None:
        """Forget the count of what was dropped."""
        super().reset()
        self.silently_dropped_count = 0

    def environment(self, base_url: str) -> dict[str, str]:
        """Give the write key."""
        return {"KAIROS_SEGMENT_BASE_URL": base_url, "KAIROS_SEGMENT_WRITE_KEY": WRITE_KEY}

    def authorize(self, request: Request) -> None:
        """Check the write key: as the user name of Basic credentials, or in the body."""
        if request.headers.get("authorization") == basic(WRITE_KEY, ""):
            return
        try:
            document = request.json()
        except ValueError:
            raise Refusal(400, "the body is not JSON") from None
        if not isinstance(document, dict) or document.get("writeKey") != WRITE_KEY:
            raise Refusal(401, "the write key is not valid")

    def limit_headers(self, limit: Limit) -> dict[str, str]:
        """Tell nothing while there is room."""
        return {}

    def retry_headers(self, limit: Limit, seconds: float) -> dict[str, str]:
        """Tell the wait in seconds, twice."""
        wait = str(max(1, math.ceil(seconds)))
        return {"Retry-After": wait, "X-RateLimit-Reset": wait}

    def state(self, is_detailed: bool = True) -> dict[str, Any]:
        """Add what was answered with success and then dropped."""
        return {
            **super().state(is_detailed),
            "silently_dropped_count": self.silently_dropped_count,
        }

    @route("POST", "/v1/batch")
    def batch(self, request: Request) -> Response:
        """Take a batch."""
        check_size(request, LARGEST_BATCH_BYTES, status=400)
        messages = document_of(request, BATCH)["batch"]
        if len(messages) > LARGEST_BATCH:
            self.silently_dropped_count += len(messages)
            return Response(200, {"success": True})
        for message in messages:
            self._take(message, message["type"])
        return Response(200, {"success": True})

    @route("POST", "/v1/{kind}")
    def single(self, request: Request, kind: str) -> Response:
        """Take one call of the kind that the path names."""
        if kind not in TYPES:
            raise Refusal(404, f"there is no call {kind}")
        check_size(request, LARGEST_EVENT_BYTES, status=400)
        self._take(document_of(request, MESSAGE), kind)
        return Response(200, {"success": True})

    def _take(self, message: Mapping[str, Any], kind: str) -> None:
        user = message.get("userId") or message.get("anonymousId")
        lacks = kind == "track" and "event" not in message
        message_id = message.get("messageId")
        if (
            not user
            or lacks
            or size_of(message) > LARGEST_EVENT_BYTES
            or len(message_id or "") >= LARGEST_ID
            or self.is_rejected(user)
        ):
            self.silently_dropped_count += 1
            return
        name = message.get("event", kind)
        if message_id:
            if not self.witness.record_once(message_id, name):
                return
        else:
            properties = message.get("properties", {})
            self.witness.record(key_of(properties, user, name, message.get("timestamp")), name)
        if kind == "identify":
            self.witness.update(user, dict(message.get("traits", {})))

"""A receiver of our signed webhook that does what we ask of receivers: verify, and drop repeats."""

import hashlib
import hmac
import time
from typing import Any

from reverse_etl.sandbox.shape import anything, iso_instant, list_of, mapping, one_of, shaped, text
from reverse_etl.sandbox.vendor import Refusal, Vendor, document_of, route
from reverse_etl.sandbox.wire import Request, Response

SECRET = "sandbox-signing-secret"
TOLERANCE_SECONDS = 300

ROW = shaped(
    {
        "idempotency_key": text,
        "kind": one_of("moment", "audience", "profile", "erasure"),
        "operation": one_of("send", "add", "update", "remove", "erase"),
        "object_key": text,
        "user_id": text,
        "decided_at": lambda value: None if value is None else iso_instant(value),
        "payload": mapping,
        "metadata?": anything,
    }
)
ENVELOPE = shaped({"format": one_of("kairos/1"), "operations": list_of(ROW)})


class Webhook(Vendor):
    """Takes batches of operations; a row whose key it has seen does nothing any more."""

    name = "webhook"

    def environment(self, base_url: str) -> dict[str, str]:
        """Allow the loopback address, which a webhook otherwise refuses."""
        return {
            "KAIROS_WEBHOOK_URL": base_url,
            "KAIROS_WEBHOOK_BASE_URL": base_url,
            "KAIROS_WEBHOOK_SECRET": SECRET,
            "KAIROS_WEBHOOK_ALLOW_PRIVATE": "1",
        }

    def authorize(self, request: Request) -> None:
        """Verify `Kairos-Signature: t=<seconds>,v1=<hex>` over `<t>.<raw body>`."""
        parts = dict(
            part.strip().partition("=")[::2]
            for part in request.headers.get("kairos-signature", "").split(",")
        )
        stamp = parts.get("t", "")
        if not stamp.isdigit() or abs(time.time() - int(stamp)) > TOLERANCE_SECONDS:
            raise Refusal(401, "the signature has no timestamp of the last five minutes")
        signed = stamp.encode() + b"." + request.body
        digest = hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(digest, parts.get("v1", "")):
            raise Refusal(401, "the signature does not fit the body")

    @route("POST", "/")
    def receive(self, request: Request) -> Response:
        """Take a batch, whole or not at all."""
        rows = document_of(request, ENVELOPE)["operations"]
        if rows and not request.headers.get("idempotency-key"):
            raise Refusal(400, "the header Idempotency-Key is missing")
        for row in rows:
            if self.is_rejected(row["user_id"]):
                raise Refusal(422, "an operation is refused")
        fresh = sum(self._apply(row) for row in rows)
        return Response(200, {"received": len(rows), "repeated": len(rows) - fresh})

    def _apply(self, row: dict[str, Any]) -> bool:
        kind, operation = row["kind"], row["operation"]
        if not self.witness.record_once(row["idempotency_key"], f"{kind} {operation}"):
            return False
        if kind == "erasure":
            self.witness.forget(row["user_id"])
        elif kind == "profile":
            self.witness.update(row["user_id"], row["payload"])
        elif kind == "audience" and operation == "remove":
            self.witness.remove(row["object_key"], row["user_id"])
        elif kind == "audience":
            self.witness.add(row["object_key"], row["user_id"])
        return True

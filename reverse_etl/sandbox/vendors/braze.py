"""Braze: users/track, triggered sends, subscription groups. Memberships are attributes."""

import math
from collections.abc import Mapping
from typing import Any, ClassVar

from reverse_etl.sandbox.limits import Limit
from reverse_etl.sandbox.shape import anything, iso_instant, list_of, mapping, one_of, shaped, text
from reverse_etl.sandbox.vendor import Refusal, Vendor, document_of, key_of, route, size_of
from reverse_etl.sandbox.wire import Request, Response

KEY = "sandbox-rest-key"
LARGEST_ARRAY = 75
LARGEST_RECIPIENTS = 50
LARGEST_PROPERTIES_BYTES = 50 * 1024
IDENTIFIERS = ("external_id", "braze_id", "email", "phone", "user_alias")

TRACK = shaped(
    {
        "attributes?": list_of(mapping, 1, LARGEST_ARRAY),
        "events?": list_of(mapping, 1, LARGEST_ARRAY),
        "purchases?": list_of(mapping, 1, LARGEST_ARRAY),
    }
)
EVENT = shaped(
    {
        "external_id?": text,
        "braze_id?": text,
        "email?": text,
        "phone?": text,
        "user_alias?": mapping,
        "app_id?": text,
        "name": text,
        "time": iso_instant,
        "properties?": mapping,
        "_update_existing_only?": anything,
    }
)
RECIPIENT = {
    "external_user_id?": text,
    "user_alias?": mapping,
    "email?": text,
    "send_to_existing_only?": anything,
    "attributes?": mapping,
}
CANVAS = shaped(
    {
        "canvas_id": text,
        "canvas_entry_properties?": mapping,
        "broadcast?": one_of(False),
        "recipients": list_of(
            shaped({**RECIPIENT, "canvas_entry_properties?": mapping}), 1, LARGEST_RECIPIENTS
        ),
    }
)
CAMPAIGN = shaped(
    {
        "campaign_id": text,
        "send_id?": text,
        "trigger_properties?": mapping,
        "broadcast?": one_of(False),
        "recipients": list_of(
            shaped({**RECIPIENT, "trigger_properties?": mapping}), 1, LARGEST_RECIPIENTS
        ),
    }
)
SUBSCRIPTION = shaped(
    {
        "subscription_group_id": text,
        "subscription_state": one_of("subscribed", "unsubscribed"),
        "external_id?": list_of(text, 1, LARGEST_RECIPIENTS),
        "email?": list_of(text, 1, LARGEST_RECIPIENTS),
    }
)
DELETE = shaped({"external_ids": list_of(text, 1, LARGEST_RECIPIENTS)})


class Braze(Vendor):
    """Answers 201 to a batch of which rows failed, and cannot tell a repeated event."""

    name = "braze"
    limits: ClassVar[dict[str, tuple[int, float]]] = {
        "default": (3000, 3.0),
        "subscription": (5000, 60.0),
        "send": (250_000, 3600.0),
    }

    def environment(self, base_url: str) -> dict[str, str]:
        """Give the key."""
        return {"KAIROS_BRAZE_BASE_URL": base_url, "KAIROS_BRAZE_API_KEY": KEY}

    def authorize(self, request: Request) -> None:
        """Check the bearer key."""
        if request.headers.get("authorization") != f"Bearer {KEY}":
            raise Refusal(401, "Invalid API key")

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

    @route("GET", "/canvas/list")
    @route("GET", "/campaigns/list")
    def list_nothing(self, request: Request) -> Response:
        """List no canvases and no campaigns."""
        kind = "canvases" if "/canvas/" in request.path else "campaigns"
        return Response(200, {kind: [], "message": "success"})

    @route("POST", "/users/track")
    def track(self, request: Request) -> Response:
        """Take the good rows, and name the others by array and position."""
        document = document_of(request, TRACK)
        if not document:
            raise Refusal(400, "no attributes, events or purchases")
        errors, answer = [], {"message": "success"}
        for array, rows in document.items():
            processed = 0
            for position, row in enumerate(rows):
                fault = self._fault(array, row)
                if fault is None:
                    self._take(array, row)
                    processed += 1
                else:
                    errors.append({"type": fault, "input_array": array, "index": position})
            answer[f"{array}_processed"] = processed
        if errors and len(errors) == sum(map(len, document.values())):
            return Response(400, {"message": "Valid data must be provided", "errors": errors})
        return Response(201, {**answer, **({"errors": errors} if errors else {})})

    @route("POST", "/canvas/trigger/send", limit_class="send")
    def send_canvas(self, request: Request) -> Response:
        """Let recipients enter a canvas, once more when it comes once more."""
        document = document_of(request, CANVAS)
        self._send(document["recipients"], document["canvas_id"], "canvas_entry_properties")
        return Response(201, {"dispatch_id": "sandbox", "message": "success"})

    @route("POST", "/campaigns/trigger/send", limit_class="send")
    def send_campaign(self, request: Request) -> Response:
        """Send a campaign to recipients, once more when it comes once more."""
        document = document_of(request, CAMPAIGN)
        self._send(document["recipients"], document["campaign_id"], "trigger_properties")
        return Response(201, {"dispatch_id": "sandbox", "message": "success"})

    @route("POST", "/subscription/status/set", limit_class="subscription")
    def set_subscription(self, request: Request) -> Response:
        """Subscribe or unsubscribe, all or none."""
        document = document_of(request, SUBSCRIPTION)
        users = [*document.get("external_id", []), *document.get("email", [])]
        if not users or len(users) > LARGEST_RECIPIENTS:
            raise Refusal(400, f"{len(users)} users, outside 1 to {LARGEST_RECIPIENTS}")
        if any(self.is_rejected(user) for user in users):
            raise Refusal(400, "a user is not valid")
        is_addition = document["subscription_state"] == "subscribed"
        change = self.witness.add if is_addition else self.witness.remove
        for user in users:
            change(document["subscription_group_id"], user)
        return Response(201, {"message": "success"})

    @route("POST", "/users/delete")
    def delete(self, request: Request) -> Response:
        """Forget users."""
        users = document_of(request, DELETE)["external_ids"]
        for user in users:
            self.witness.forget(user)
        return Response(200, {"deleted": len(users), "message": "success"})

    def _fault(self, array: str, row: Mapping[str, Any]) -> str | None:
        user = _who(row)
        if user is None:
            return "'external_id', 'braze_id', 'user_alias', 'email' or 'phone' is required"
        if self.is_rejected(user):
            return "the user is not valid"
        if array == "events":
            fault = EVENT(row)
            if fault is None and size_of(row.get("properties", {})) > LARGEST_PROPERTIES_BYTES:
                fault = "has properties of more than 50 KB"
            return None if fault is None else f"the event {fault}"
        return None

    def _take(self, array: str, row: Mapping[str, Any]) -> None:
        user = _who(row) or ""
        if array == "attributes":
            own = (*IDENTIFIERS, "_update_existing_only", "push_token_import")
            attributes = {name: value for name, value in row.items() if name not in own}
            self.witness.update(user, attributes)
        else:
            name = row.get("name") or row.get("product_id", array)
            self.witness.record(
                key_of(row.get("properties", {}), user, name, row.get("time")), name
            )

    def _send(self, recipients: list[dict[str, Any]], what: str, field: str) -> None:
        users = [str(recipient.get("external_user_id") or recipient) for recipient in recipients]
        if any(self.is_rejected(user) for user in users):
            raise Refusal(400, "a recipient is not valid")
        for user, recipient in zip(users, recipients, strict=True):
            properties = recipient.get(field, {})
            if size_of(properties) > LARGEST_PROPERTIES_BYTES:
                raise Refusal(400, "properties of more than 50 KB")
            self.witness.record(key_of(properties, user, what), what)


def _who(row: Mapping[str, Any]) -> str | None:
    for name in IDENTIFIERS:
        if row.get(name):
            return str(row[name])
    return None

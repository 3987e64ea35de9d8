"""Appcues, API v2: segment membership, events, profiles, and the probe by tags.

Its bulk imports and the jobs that follow are absent.
"""

import math
from typing import Any, ClassVar

from reverse_etl.sandbox.limits import Limit
from reverse_etl.sandbox.shape import anything, flat, iso_instant, list_of, mapping, shaped, text
from reverse_etl.sandbox.vendor import Refusal, Vendor, basic, document_of, key_of, route
from reverse_etl.sandbox.wire import Request, Response, reason

ACCOUNT, KEY, SECRET = "sandbox", "sandbox-key", "sandbox-secret"
IDS_PER_REQUEST = 1000
"""Appcues publishes no number; this is the one that our destination keeps to by default."""

EVENT = shaped({"name": text, "timestamp": iso_instant, "attributes": mapping, "group_id?": text})
USER_IDS = shaped({"user_ids": list_of(text, 1, IDS_PER_REQUEST)})
SEGMENT = shaped({"name": text, "description?": anything})


class Appcues(Vendor):
    """Has set semantics for segments and profiles, and no key by which to know an event again."""

    name = "appcues"
    limits: ClassVar[dict[str, tuple[int, float]]] = {"default": (60, 1.0)}

    def reset(self) -> None:
        """Forget the segments too."""
        super().reset()
        self.segments: dict[str, dict[str, str]] = {}

    def environment(self, base_url: str) -> dict[str, str]:
        """Give account and credentials."""
        return {
            "KAIROS_APPCUES_BASE_URL": base_url,
            "KAIROS_APPCUES_ACCOUNT_ID": ACCOUNT,
            "KAIROS_APPCUES_API_KEY": KEY,
            "KAIROS_APPCUES_API_SECRET": SECRET,
        }

    def authorize(self, request: Request) -> None:
        """Check the Basic credentials and the account of the path."""
        if request.headers.get("authorization") != basic(KEY, SECRET):
            raise Refusal(401, "the API key is not valid")
        if f"/v2/accounts/{ACCOUNT}/" not in request.path:
            raise Refusal(403, "the API key does not belong to this account")

    def refuse(self, refusal: Refusal) -> Response:
        """Say it in Appcues' error object."""
        return Response(
            refusal.status,
            {
                "error": True,
                "status": refusal.status,
                "title": reason(refusal.status),
                "detail": refusal.message,
            },
        )

    def limit_headers(self, limit: Limit) -> dict[str, str]:
        """Tell limit, remainder and the second in which the window ends."""
        return {
            "X-RateLimit-Limit": str(limit.requests),
            "X-RateLimit-Remaining": str(limit.remaining),
            "X-RateLimit-Reset": str(math.ceil(limit.resets_at)),
        }

    def retry_headers(self, limit: Limit, seconds: float) -> dict[str, str]:
        """Send none: the reset header says it."""
        return {}

    @route("GET", "/v2/accounts/{account}/tags")
    def tags(self, request: Request, account: str) -> Response:
        """List no tags."""
        return Response(200, [])

    @route("PATCH", "/v2/accounts/{account}/users/{user}/profile")
    def update_profile(self, request: Request, account: str, user: str) -> Response:
        """Set attributes."""
        attributes = document_of(request, flat)
        self._check_user(user)
        self.witness.update(user, attributes)
        return Response(200, {"user_id": user})

    @route("GET", "/v2/accounts/{account}/users/{user}/profile")
    def read_profile(self, request: Request, account: str, user: str) -> Response:
        """Give the attributes of a user."""
        if user not in self.witness.profiles:
            raise Refusal(404, "there is no such user")
        return Response(200, {"user_id": user, **self.witness.profiles[user]})

    @route("DELETE", "/v2/accounts/{account}/users/{user}/profile")
    def delete_profile(self, request: Request, account: str, user: str) -> Response:
        """Forget a user."""
        self.witness.forget(user)
        return Response(204)

    @route("POST", "/v2/accounts/{account}/users/{user}/events")
    def record_event(self, request: Request, account: str, user: str) -> Response:
        """Record an event, once more when it comes once more."""
        event: dict[str, Any] = document_of(request, EVENT)
        self._check_user(user)
        key = key_of(event["attributes"], user, event["name"], event["timestamp"])
        self.witness.record(key, event["name"])
        return Response(204)

    @route("GET", "/v2/accounts/{account}/segments")
    def list_segments(self, request: Request, account: str) -> Response:
        """List the segments."""
        return Response(200, list(self.segments.values()))

    @route("POST", "/v2/accounts/{account}/segments")
    def create_segment(self, request: Request, account: str) -> Response:
        """Make a segment."""
        document = document_of(request, SEGMENT)
        segment = {"id": f"segment-{len(self.segments) + 1}", **document}
        self.segments[segment["id"]] = segment
        self.create_audience(segment["id"])
        return Response(201, segment)

    @route("GET", "/v2/accounts/{account}/segments/{segment}")
    def read_segment(self, request: Request, account: str, segment: str) -> Response:
        """Give a segment."""
        self.check_audience(segment)
        return Response(200, self.segments.get(segment, {"id": segment, "name": segment}))

    @route("POST", "/v2/accounts/{account}/segments/{segment}/add_user_ids")
    def add_user_ids(self, request: Request, account: str, segment: str) -> Response:
        """Add members, all or none."""
        for user in self._user_ids(request, segment):
            self.witness.add(segment, user)
        return Response(204)

    @route("POST", "/v2/accounts/{account}/segments/{segment}/remove_user_ids")
    def remove_user_ids(self, request: Request, account: str, segment: str) -> Response:
        """Remove members, all or none."""
        for user in self._user_ids(request, segment):
            self.witness.remove(segment, user)
        return Response(204)

    def _user_ids(self, request: Request, segment: str) -> list[str]:
        user_ids: list[str] = document_of(request, USER_IDS)["user_ids"]
        self.check_audience(segment)
        for user in user_ids:
            self._check_user(user)
        return user_ids

    def _check_user(self, user: str) -> None:
        if self.is_rejected(user):
            raise Refusal(422, "a user id is not valid")

"""Amplitude: events over two endpoints, identify, and the members of cohorts.

Ids shorter than `min_id_length` (5) are not valid.
"""

import json
import time
from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import parse_qs

from reverse_etl.sandbox.limits import Limit
from reverse_etl.sandbox.shape import (
    anything,
    boolean,
    epoch_milliseconds,
    list_of,
    mapping,
    number,
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
)
from reverse_etl.sandbox.wire import Request, Response

KEY, SECRET = "sandbox-api-key", "sandbox-secret-key"
LARGEST_BATCH = 2000
LARGEST_BYTES = {"/2/httpapi": 1024 * 1024, "/batch": 20 * 1024 * 1024}
EVENTS_PER_SECOND = {"/2/httpapi": 30, "/batch": 1000}
LARGEST_COHORT_EDIT = 100_000
MIN_ID_LENGTH = 5

UPLOAD = shaped(
    {
        "api_key": text,
        "events": list_of(mapping, 1),
        "options?": shaped({"min_id_length?": number}),
    }
)
EVENT = {
    "user_id": text,
    "device_id": text,
    "event_type": text,
    "time": epoch_milliseconds,
    "event_properties": mapping,
    "user_properties": mapping,
    "groups": mapping,
    "insert_id": text,
    "session_id": number,
    "platform": text,
    "language": text,
    "ip": text,
}
COHORT = shaped(
    {
        "name": text,
        "app_id": anything,
        "id_type": one_of("BY_USER_ID", "BY_AMP_ID"),
        "ids": list_of(text),
        "owner": text,
        "published": boolean,
        "existing_cohort_id?": text,
        "skip_invalid_ids?": boolean,
        "skip_save?": boolean,
    }
)
MEMBERSHIP = shaped(
    {
        "cohort_id": text,
        "memberships": list_of(
            shaped(
                {
                    "ids": list_of(text, 1),
                    "id_type": one_of("BY_ID", "BY_NAME", "BY_USER_ID", "BY_AMP_ID"),
                    "operation": one_of("ADD", "REMOVE"),
                }
            ),
            1,
        ),
        "skip_invalid_ids?": boolean,
    }
)


def _cohort_of(request: Request, arguments: Mapping[str, str]) -> str | None:
    try:
        return str(request.json()["cohort_id"])
    except (ValueError, KeyError, TypeError):
        return None


class Amplitude(Vendor):
    """Refuses a batch with a bad event whole; knows an event by its insert id, per device."""

    name = "amplitude"
    busy_status = 429
    limits: ClassVar[dict[str, tuple[int, float]]] = {"default": (100, 1.0), "cohorts": (100, 1.0)}

    def reset(self) -> None:
        """Forget cohorts, and how much each user has sent."""
        super().reset()
        self.cohort_count = 0
        self.pace: dict[tuple[str, str], Limit] = {}

    def environment(self, base_url: str) -> dict[str, str]:
        """Give both keys."""
        return {
            "KAIROS_AMPLITUDE_BASE_URL": base_url,
            "KAIROS_AMPLITUDE_COHORTS_URL": base_url,
            "KAIROS_AMPLITUDE_API_KEY": KEY,
            "KAIROS_AMPLITUDE_SECRET_KEY": SECRET,
        }

    def authorize(self, request: Request) -> None:
        """Check Basic credentials of the cohort endpoints; the others carry the key inside."""
        if "/api/" in request.path and request.headers.get("authorization") != basic(KEY, SECRET):
            raise Refusal(401, "the key or the secret is not valid")

    def refuse(self, refusal: Refusal) -> Response:
        """Say it by code and error, with lists of positions beside."""
        return Response(
            refusal.status,
            {"code": refusal.status, "error": refusal.message, **refusal.details},
        )

    def retry_headers(self, limit: Limit, seconds: float) -> dict[str, str]:
        """Send none: the pause is documented, thirty seconds (fifteen for batches)."""
        return {}

    @route("POST", "/2/httpapi")
    @route("POST", "/batch")
    def upload(self, request: Request) -> Response:
        """Take events, all or none."""
        endpoint = request.path.removeprefix(f"/{self.name}")
        check_size(request, LARGEST_BYTES[endpoint])
        document = document_of(request, UPLOAD)
        events = document["events"]
        if document["api_key"] != KEY:
            raise Refusal(400, "Invalid API key: it does not exist")
        if len(events) > LARGEST_BATCH:
            raise Refusal(413, "the payload has too many events")
        self._check_events(events, document.get("options", {}).get("min_id_length", MIN_ID_LENGTH))
        self._check_pace(events, endpoint)
        for event in events:
            self._record(event)
        return Response(
            200,
            {
                "code": 200,
                "events_ingested": len(events),
                "payload_size_bytes": len(request.content),
                "server_upload_time": round(time.time() * 1000),
            },
        )

    @route("POST", "/identify")
    def identify(self, request: Request) -> Response:
        """Set user properties, from a form."""
        form = parse_qs(request.content.decode(errors="replace"))
        if form.get("api_key") != [KEY]:
            raise Refusal(400, "invalid_api_key")
        try:
            rows = json.loads(form.get("identification", [""])[0])
        except ValueError:
            raise Refusal(400, "the identification is not JSON") from None
        rows = rows if isinstance(rows, list) else [rows]
        check = list_of(
            shaped({"user_id?": text, "device_id?": text, "user_properties": mapping}), 1
        )
        if (fault := check(rows)) is not None:
            raise Refusal(400, f"the identification {fault}")
        if any(self.is_rejected(_who(row)) for row in rows):
            raise Refusal(400, "an id is not valid")
        for row in rows:
            self._set(_who(row), row["user_properties"])
        return Response(200, "success")

    @route("GET", "/api/3/cohorts", limit_class="cohorts")
    def read_cohorts(self, request: Request) -> Response:
        """List the cohorts."""
        members = self.witness.members
        cohorts = [
            {"id": cohort, "size": len(members.get(cohort, ()))}
            for cohort in sorted(self.audiences() or members)
        ]
        return Response(200, {"cohorts": cohorts})

    @route("POST", "/api/3/cohorts/upload", limit_class="cohorts")
    def upload_cohort(self, request: Request) -> Response:
        """Make a cohort, or set the members of one; `skip_save` only validates."""
        document = document_of(request, COHORT)
        self._check_ids(document["ids"], document.get("skip_invalid_ids", False))
        if document.get("skip_save"):
            return Response(200, {"cohortId": None})
        cohort = document.get("existing_cohort_id")
        if cohort is None:
            self.cohort_count += 1
            cohort = f"cohort{self.cohort_count}"
        self.witness.replace(cohort, document["ids"])
        return Response(200, {"cohortId": cohort})

    @route("POST", "/api/3/cohorts/membership", limit_class="cohorts", alone=_cohort_of)
    def change_membership(self, request: Request) -> Response:
        """Add and remove members; says which ids it skipped."""
        document = document_of(request, MEMBERSHIP)
        cohort, edits = document["cohort_id"], document["memberships"]
        self.check_audience(cohort)
        if sum(len(edit["ids"]) for edit in edits) > LARGEST_COHORT_EDIT:
            raise Refusal(400, f"more than {LARGEST_COHORT_EDIT} ids")
        may_skip = document.get("skip_invalid_ids", False)
        skipped = [self._check_ids(edit["ids"], may_skip) for edit in edits]
        results = []
        for edit, invalid in zip(edits, skipped, strict=True):
            change = self.witness.add if edit["operation"] == "ADD" else self.witness.remove
            for user in edit["ids"]:
                if user not in invalid:
                    change(cohort, user)
            results.append(
                {
                    "skipped_ids": invalid,
                    "id_type": edit["id_type"],
                    "operation": edit["operation"],
                }
            )
        return Response(200, {"cohort_id": cohort, "memberships_result": results})

    def _check_ids(self, users: list[str], may_skip: bool) -> list[str]:
        invalid = [user for user in users if user.startswith("missing") or self.is_rejected(user)]
        if invalid and not may_skip:
            raise Refusal(400, f"{len(invalid)} ids are not valid")
        return invalid

    def _check_events(self, events: list[dict[str, Any]], min_id_length: float) -> None:
        missing: dict[str, list[int]] = {}
        invalid: dict[str, list[int]] = {}
        short: dict[str, list[int]] = {}
        for position, event in enumerate(events):
            if "event_type" not in event:
                missing.setdefault("event_type", []).append(position)
            if "user_id" not in event and "device_id" not in event:
                missing.setdefault("user_id", []).append(position)
            for field, value in event.items():
                check = EVENT.get(field)
                if check is None or check(value) is not None:
                    invalid.setdefault(field, []).append(position)
                elif field in ("user_id", "device_id") and len(value) < min_id_length:
                    short.setdefault(field, []).append(position)
            if self.is_rejected(_who(event)):
                invalid.setdefault("user_id", []).append(position)
        if missing or invalid or short:
            raise Refusal(
                400,
                "Request missing required field"
                if missing
                else "Invalid field values on some events",
                missing_field=next(iter(missing), None),
                events_with_missing_fields=missing,
                events_with_invalid_fields=invalid,
                events_with_invalid_id_lengths=short,
                silenced_events=[],
            )

    def _check_pace(self, events: list[dict[str, Any]], endpoint: str) -> None:
        most, now = EVENTS_PER_SECOND[endpoint], time.time()
        throttled: list[int] = []
        users: dict[str, int] = {}
        for position, event in enumerate(events):
            user = _who(event)
            limit = self.pace.setdefault((endpoint, user), Limit(most, 1.0))
            if not limit.take(now):
                throttled.append(position)
                users[user] = users.get(user, most) + 1
        if throttled:
            raise Refusal(
                429,
                "Too many requests for some devices and users",
                eps_threshold=most,
                throttled_users=users,
                throttled_devices={},
                throttled_events=throttled,
            )

    def _record(self, event: Mapping[str, Any]) -> None:
        name, user = event["event_type"], _who(event)
        self._set(user, event.get("user_properties", {}))
        if "insert_id" in event:
            self.witness.record_once(event["insert_id"], name)
        else:
            properties = event.get("event_properties", {})
            self.witness.record(key_of(properties, user, name, event.get("time")), name)

    def _set(self, user: str, properties: Mapping[str, Any]) -> None:
        plain = {name: value for name, value in properties.items() if not name.startswith("$")}
        unset = dict.fromkeys(properties.get("$unset", {}))
        changes = {**plain, **properties.get("$set", {}), **unset}
        if changes:
            self.witness.update(user, changes)


def _who(event: Mapping[str, Any]) -> str:
    return str(event.get("user_id") or event.get("device_id"))

"""Mixpanel: event import with per-row answers, and profile updates."""

import json
from collections.abc import Mapping
from typing import Any, ClassVar

from reverse_etl.sandbox.limits import Limit
from reverse_etl.sandbox.shape import list_of, mapping, matching, number, shaped, text
from reverse_etl.sandbox.vendor import Refusal, Vendor, basic, check_size, key_of, route, size_of
from reverse_etl.sandbox.wire import Request, Response

USER, SECRET, TOKEN, PROJECT = "sandbox-account", "sandbox-secret", "sandbox-token", "1"
LARGEST_BATCH = 2000
LARGEST_BYTES = 10 * 1024 * 1024
LARGEST_EVENT_BYTES = 1024 * 1024
LARGEST_PROPERTIES = 255

INSERT_ID = matching("[A-Za-z0-9-]{1,36}", "an insert id of at most 36 letters, digits and -")
ACTIONS = {
    "$set": mapping,
    "$set_once": mapping,
    "$add": mapping,
    "$union": mapping,
    "$remove": mapping,
    "$unset": list_of(text),
    "$delete": lambda value: None,
}
PROFILE = shaped(
    {
        "$token": text,
        "$distinct_id": text,
        "$ip?": text,
        "$ignore_time?": lambda value: None,
        **{f"{action}?": check for action, check in ACTIONS.items()},
    }
)


class Mixpanel(Vendor):
    """Imports the good rows of a batch and names the others; knows an event by its insert id."""

    name = "mixpanel"
    limits: ClassVar[dict[str, tuple[int, float]]] = {"default": (1000, 1.0)}
    """The vendor counts bytes and events; requests are the stand-in's own measure."""

    def environment(self, base_url: str) -> dict[str, str]:
        """Give service account, project and token."""
        return {
            "KAIROS_MIXPANEL_BASE_URL": base_url,
            "KAIROS_MIXPANEL_SERVICE_ACCOUNT": USER,
            "KAIROS_MIXPANEL_SERVICE_SECRET": SECRET,
            "KAIROS_MIXPANEL_PROJECT_ID": PROJECT,
            "KAIROS_MIXPANEL_TOKEN": TOKEN,
        }

    def authorize(self, request: Request) -> None:
        """Check Basic credentials: the service account, or the token as user name.

        Profiles carry their token in each row.
        """
        allowed = (basic(USER, SECRET), basic(TOKEN, ""))
        is_engage = request.path.endswith("/engage")
        if not is_engage and request.headers.get("authorization") not in allowed:
            raise Refusal(401, "Invalid credentials")

    def refuse(self, refusal: Refusal) -> Response:
        """Say it by code, error and status."""
        return Response(
            refusal.status,
            {
                "code": refusal.status,
                "error": refusal.message,
                "status": "Bad Request" if refusal.status == 400 else "error",
                **refusal.details,
            },
        )

    def retry_headers(self, limit: Limit, seconds: float) -> dict[str, str]:
        """Send none: one is to back off from two seconds up."""
        return {}

    @route("GET", "/api/app/me")
    def who_am_i(self, request: Request) -> Response:
        """Say whose credentials these are."""
        return Response(200, {"status": "ok", "results": {"projects": {PROJECT: {}}}})

    @route("POST", "/import")
    def import_events(self, request: Request) -> Response:
        """Take the good events of a batch, as JSON or as lines of JSON."""
        check_size(request, LARGEST_BYTES)
        if request.query.get("project_id", PROJECT) != PROJECT:
            raise Refusal(403, "there is no such project")
        events = self._rows(request)
        failed = [
            failure
            for position, event in enumerate(events)
            if (failure := self._failure(position, event)) is not None
        ]
        bad = {failure["index"] for failure in failed}
        for position, event in enumerate(events):
            if position not in bad:
                self._record(event["event"], event["properties"])
        imported = len(events) - len(failed)
        if failed and request.query.get("strict") != "0":
            raise Refusal(
                400,
                "some data points in the request failed validation",
                failed_records=failed,
                num_records_imported=imported,
            )
        return Response(200, {"code": 200, "num_records_imported": imported, "status": "OK"})

    @route("POST", "/engage")
    def engage(self, request: Request) -> Response:
        """Update profiles; without `strict=1` a refusal is a 0 under status 200."""
        is_strict = request.query.get("strict") == "1"
        rows = self._rows(request)
        failed = [
            {"index": position, "$insert_id": "", "field": "", "message": message}
            for position, row in enumerate(rows)
            if (message := self._profile_fault(row)) is not None
        ]
        bad = {failure["index"] for failure in failed}
        for position, row in enumerate(rows):
            if position not in bad:
                self._update(row)
        if failed and not is_strict:
            return Response(200, 0)
        if failed:
            raise Refusal(400, "some profiles failed validation", failed_records=failed)
        return Response(200, {"code": 200, "status": "OK"} if is_strict else 1)

    def _rows(self, request: Request) -> list[Any]:
        try:
            if request.headers.get("content-type", "").startswith("application/x-ndjson"):
                rows = [json.loads(line) for line in request.content.splitlines() if line.strip()]
            else:
                rows = request.json()
        except ValueError:
            raise Refusal(400, "the body is not JSON") from None
        if not isinstance(rows, list) or not rows:
            raise Refusal(400, "the body is not a list with something in it")
        if len(rows) > LARGEST_BATCH:
            raise Refusal(413, f"more than {LARGEST_BATCH} records")
        return rows

    def _failure(self, position: int, event: Any) -> dict[str, Any] | None:
        fault = shaped({"event": text, "properties": mapping})(event)
        properties = event.get("properties", {}) if isinstance(event, Mapping) else {}
        field = ""
        if fault is None:
            for field, check in (
                ("time", number),
                ("distinct_id", text),
                ("$insert_id", INSERT_ID),
            ):
                if (fault := check(properties.get(field))) is not None:
                    field = f"properties.{field}"
                    break
        if fault is None and len(properties) > LARGEST_PROPERTIES:
            fault, field = "has too many properties", "properties"
        if fault is None and size_of(event) > LARGEST_EVENT_BYTES:
            fault, field = "is too large", "event"
        if fault is None and self.is_rejected(properties["distinct_id"]):
            fault, field = "is not valid", "properties.distinct_id"
        if fault is None:
            return None
        return {
            "index": position,
            "$insert_id": str(properties.get("$insert_id", "")),
            "field": field,
            "message": f"{field} {fault}",
        }

    def _record(self, name: str, properties: Mapping[str, Any]) -> None:
        identity = (name, properties["time"], properties["distinct_id"], properties["$insert_id"])
        key = key_of(properties, *identity)
        # the vendor's identity decides, our key is only what it is called in the state
        if identity in self.identities:
            self.witness.repeat()
            return
        self.identities.add(identity)
        self.witness.record(key, name)

    def reset(self) -> None:
        """Forget the identities of events too."""
        super().reset()
        self.identities: set[tuple[Any, ...]] = set()

    def dump(self) -> dict[str, Any]:
        """Add the identities of events."""
        return {**super().dump(), "identities": sorted(map(list, self.identities))}

    def load(self, document: dict[str, Any]) -> None:
        """Take up the identities of events too."""
        super().load(document)
        self.identities = set(map(tuple, document["identities"]))

    def _profile_fault(self, row: Any) -> str | None:
        if (fault := PROFILE(row)) is not None:
            return f"the profile {fault}"
        if row["$token"] != TOKEN:
            return "the token is not valid"
        if not any(action in row for action in ACTIONS):
            return "there is no action"
        return "the id is not valid" if self.is_rejected(row["$distinct_id"]) else None

    def _update(self, row: Mapping[str, Any]) -> None:
        user = row["$distinct_id"]
        if "$delete" in row:
            self.witness.forget(user)
            return
        self.witness.update(user, dict(row.get("$set", {})))
        self.witness.update(user, dict.fromkeys(row.get("$unset", [])))
        profile = dict(self.witness.profiles[user])
        for name, value in row.get("$set_once", {}).items():
            profile.setdefault(name, value)
        for name, value in row.get("$add", {}).items():
            profile[name] = profile.get(name, 0) + value
        for name, values in row.get("$union", {}).items():
            profile[name] = sorted({*profile.get(name, []), *values})
        for name, value in row.get("$remove", {}).items():
            profile[name] = [item for item in profile.get(name, []) if item != value]
        self.witness.update(user, profile)

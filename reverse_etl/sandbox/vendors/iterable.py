"""Iterable: users, events and lists, one at a time or in bulk.

Ids that begin with `forgotten`, `missing` or `conflict` fail in the group of that name, as all
users do that a fault rejects: those count as invalid.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from reverse_etl.sandbox.limits import Limit
from reverse_etl.sandbox.shape import (
    Check,
    anything,
    boolean,
    epoch_seconds,
    list_of,
    mapping,
    number,
    shaped,
    text,
)
from reverse_etl.sandbox.vendor import Refusal, Vendor, check_size, document_of, key_of, route
from reverse_etl.sandbox.wire import Request, Response

KEY = "sandbox-api-key"
LARGEST_BYTES = 4 * 1024 * 1024
LARGEST_LIST = 1000
LARGEST_ID_BYTES = 512
GROUPS = {"forgotten": "forgotten", "missing": "notFound", "conflict": "conflict"}

WHO: dict[str, Check] = {"email?": text, "userId?": text}
USER = shaped(
    {**WHO, "dataFields?": mapping, "mergeNestedObjects?": boolean, "preferUserId?": boolean}
)
EVENT = shaped(
    {
        **WHO,
        "eventName": text,
        "id?": text,
        "createdAt?": epoch_seconds,
        "dataFields?": mapping,
        "campaignId?": number,
        "templateId?": number,
        "createNewFields?": boolean,
    }
)
SUBSCRIBE = shaped(
    {
        "listId": number,
        "subscribers": list_of(
            shaped({**WHO, "dataFields?": mapping, "preferUserId?": boolean}), 1, LARGEST_LIST
        ),
        "updateExistingUsersOnly?": boolean,
    }
)
UNSUBSCRIBE = shaped(
    {
        "listId": number,
        "subscribers": list_of(shaped(WHO), 1, LARGEST_LIST),
        "campaignId?": number,
        "channelUnsubscribe?": boolean,
    }
)
TARGET = shaped(
    {
        "campaignId": number,
        "recipientEmail?": text,
        "recipientUserId?": text,
        "dataFields?": mapping,
        "sendAt?": text,
        "allowRepeatMarketingSends?": boolean,
        "metadata?": anything,
    }
)
WORKFLOW = shaped({**WHO, "workflowId": number, "listId?": number, "dataFields?": mapping})


class Iterable(Vendor):
    """Answers 200 to a batch of which rows failed; an event of a known id replaces the other."""

    name = "iterable"
    limits: ClassVar[dict[str, tuple[int, float]]] = {
        "default": (500, 1.0),
        "bulk_users": (5, 1.0),
        "events": (2000, 1.0),
        "bulk_events": (10, 1.0),
        "fields": (3, 1.0),
    }

    def reset(self) -> None:
        """Forget the lists, and who was unsubscribed from a whole channel."""
        super().reset()
        self.lists: dict[int, str] = {}
        self.named_lists: dict[int, str] = {}
        self.channel_unsubscribed: set[str] = set()

    def environment(self, base_url: str) -> dict[str, str]:
        """Give the key, and the numbers of the lists that exist from the beginning."""
        named = ",".join(f"{name}={number}" for number, name in self._named_lists().items())
        return {
            "KAIROS_ITERABLE_BASE_URL": base_url,
            "KAIROS_ITERABLE_API_KEY": KEY,
            **({"KAIROS_ITERABLE_LISTS": named} if named else {}),
        }

    def audiences(self) -> set[str] | None:
        """Give the numbers of the lists that exist; None where any one does."""
        if self.named is None:
            return None
        return {*map(str, self._named_lists()), *map(str, self.lists), *self.witness.members}

    def create_audience(self, audience: str) -> None:
        """Make a list of this number."""
        if not audience.isdecimal():
            raise ValueError(f"a list of Iterable is a number, not {audience!r}")
        self.lists.setdefault(int(audience), audience)
        super().create_audience(audience)

    def _named_lists(self) -> dict[int, str]:
        """Number the audiences that exist from the beginning; a number is given only once."""
        for name in sorted(self.named()) if self.named else ():
            if name not in self.named_lists.values():
                self.named_lists[len(self.named_lists) + 1] = name
        return self.named_lists

    def authorize(self, request: Request) -> None:
        """Check the key's header."""
        if request.headers.get("api-key") != KEY:
            raise Refusal(401, "the API key is not valid", "BadApiKey")

    def refuse(self, refusal: Refusal) -> Response:
        """Say it by code and message."""
        code = refusal.code or {404: "NotFound", 413: "BatchTooLarge"}.get(
            refusal.status, "BadJsonBody"
        )
        return Response(refusal.status, {"code": code, "msg": refusal.message, "params": None})

    def retry_headers(self, limit: Limit, seconds: float) -> dict[str, str]:
        """Send none: nothing is documented."""
        return {}

    def state(self, is_detailed: bool = True) -> dict[str, Any]:
        """Add who was unsubscribed from everything, which nobody should be."""
        return {
            **super().state(is_detailed),
            "channel_unsubscribed": sorted(self.channel_unsubscribed),
        }

    @route("POST", "/api/users/update")
    def update_user(self, request: Request) -> Response:
        """Set the fields of one user."""
        user = document_of(request, USER)
        self._check(self._who(user))
        self.witness.update(self._who(user), user.get("dataFields", {}))
        return _success()

    @route("POST", "/api/users/bulkUpdate", limit_class="bulk_users")
    def update_users(self, request: Request) -> Response:
        """Set the fields of many users; the answer names those that failed."""
        check_size(request, LARGEST_BYTES, "BatchTooLarge")
        check = shaped({"users": list_of(USER, 1), "createNewFields?": boolean})
        users = document_of(request, check)["users"]
        failures = self._failures(users)
        for user in users:
            if self._who(user) not in failures:
                self.witness.update(self._who(user), user.get("dataFields", {}))
        return Response(200, _bulk_answer(users, failures))

    @route("GET", "/api/users/getFields", limit_class="fields")
    def read_fields(self, request: Request) -> Response:
        """Give the fields that users have, with their types."""
        named = {name for fields in self.witness.profiles.values() for name in fields}
        types = dict.fromkeys(["email", "userId", *sorted(named)], "string")
        return Response(200, {"fields": types})

    @route("POST", "/api/events/track", limit_class="events")
    def track(self, request: Request) -> Response:
        """Record one event."""
        event = document_of(request, EVENT)
        self._check(self._who(event))
        self._record(event)
        return _success()

    @route("POST", "/api/events/trackBulk", limit_class="bulk_events")
    def track_bulk(self, request: Request) -> Response:
        """Record many events; the answer names the users whose events failed."""
        check_size(request, LARGEST_BYTES, "BatchTooLarge")
        events = document_of(request, shaped({"events": list_of(EVENT, 1)}))["events"]
        failures = self._failures(events)
        for event in events:
            if self._who(event) not in failures:
                self._record(event)
        return Response(200, {**_bulk_answer(events, failures), "disallowedEventNames": []})

    @route("GET", "/api/lists")
    def read_lists(self, request: Request) -> Response:
        """Give the lists."""
        lists = {**self._named_lists(), **self.lists}
        return Response(200, {"lists": [{"id": key, "name": name} for key, name in lists.items()]})

    @route("POST", "/api/lists")
    def create_list(self, request: Request) -> Response:
        """Make a list."""
        name = document_of(request, shaped({"name": text, "description?": anything}))["name"]
        list_id = len({**self._named_lists(), **self.lists}) + 1
        self.lists[list_id] = name
        self.create_audience(str(list_id))
        return Response(200, {"listId": list_id})

    @route("POST", "/api/lists/subscribe")
    def subscribe(self, request: Request) -> Response:
        """Add members."""
        document = document_of(request, SUBSCRIBE)
        self.check_audience(str(document["listId"]))
        failures = self._failures(document["subscribers"])
        for user in document["subscribers"]:
            if self._who(user) not in failures:
                self.witness.add(str(document["listId"]), self._who(user))
        return Response(200, _bulk_answer(document["subscribers"], failures))

    @route("POST", "/api/lists/unsubscribe")
    def unsubscribe(self, request: Request) -> Response:
        """Remove members; with `channelUnsubscribe` from far more than the list."""
        document = document_of(request, UNSUBSCRIBE)
        self.check_audience(str(document["listId"]))
        failures = self._failures(document["subscribers"])
        for user in document["subscribers"]:
            if self._who(user) not in failures:
                self.witness.remove(str(document["listId"]), self._who(user))
                if document.get("channelUnsubscribe"):
                    self.channel_unsubscribed.add(self._who(user))
        return Response(200, _bulk_answer(document["subscribers"], failures))

    @route("POST", "/api/inApp/target")
    @route("POST", "/api/email/target")
    def target(self, request: Request) -> Response:
        """Send a campaign to one user, once more when it comes once more."""
        document = document_of(request, TARGET)
        who = {
            "userId": document.get("recipientUserId"),
            "email": document.get("recipientEmail"),
        }
        user = self._who({name: value for name, value in who.items() if value})
        self._check(user)
        campaign = f"campaign {document['campaignId']:g}"
        self.witness.record(key_of(document.get("dataFields", {}), user, campaign), campaign)
        return _success()

    @route("POST", "/api/workflows/triggerWorkflow")
    def trigger_workflow(self, request: Request) -> Response:
        """Start a workflow for one user, once more when it comes once more."""
        document = document_of(request, WORKFLOW)
        user = self._who(document)
        self._check(user)
        workflow = f"workflow {document['workflowId']:g}"
        self.witness.record(key_of(document.get("dataFields", {}), user, workflow), workflow)
        return _success()

    @route("DELETE", "/api/users/byUserId/{user}")
    def delete_user(self, request: Request, user: str) -> Response:
        """Forget a user."""
        self.witness.forget(user)
        return _success()

    @route("POST", "/api/users/forget")
    def forget_user(self, request: Request) -> Response:
        """Forget a user for good."""
        self.witness.forget(self._who(document_of(request, shaped(WHO))))
        return _success()

    def _record(self, event: Mapping[str, Any]) -> None:
        if len(event.get("id", "").encode()) > LARGEST_ID_BYTES:
            raise Refusal(400, "the id has more than 512 bytes", "BadParams")
        if "id" in event:
            self.witness.record_once(event["id"], event["eventName"])
            return
        user, fields = self._who(event), event.get("dataFields", {})
        key = key_of(fields, user, event["eventName"], event.get("createdAt"))
        self.witness.record(key, event["eventName"])

    def _who(self, user: Mapping[str, Any]) -> str:
        who = user.get("userId") or user.get("email")
        if not who:
            raise Refusal(400, "neither email nor userId is given", "BadParams")
        return str(who)

    def _check(self, user: str) -> None:
        group = self._failure(user)
        if group is not None:
            code = {"forgotten": "ForgottenUserError", "notFound": "UnknownUserIdError"}
            raise Refusal(400, "the user is refused", code.get(group, "InvalidUserIdError"))

    def _failure(self, user: str) -> str | None:
        for prefix, group in GROUPS.items():
            if user.startswith(prefix):
                return group
        return "invalid" if self.is_rejected(user) else None

    def _failures(self, users: Sequence[Mapping[str, Any]]) -> dict[str, str]:
        judged = {who: self._failure(who) for who in map(self._who, users)}
        return {who: group for who, group in judged.items() if group is not None}


def _bulk_answer(users: Sequence[Mapping[str, Any]], failures: Mapping[str, str]) -> dict[str, Any]:
    groups = ("invalid", "notFound", "forgotten", "conflict", "invalidData")
    failed: dict[str, list[str]] = {
        f"{group}{kind}": [] for group in groups for kind in ("Emails", "UserIds")
    }
    failed_count = 0
    for user in users:
        for field, kind in (("userId", "UserIds"), ("email", "Emails")):
            if user.get(field) in failures:
                failed[f"{failures[user[field]]}{kind}"].append(user[field])
                failed_count += 1
                break
    return {
        "successCount": len(users) - failed_count,
        "failCount": failed_count,
        "failedUpdates": failed,
        "createdFields": [],
        "filteredOutFields": [],
    }


def _success() -> Response:
    return Response(200, {"code": "Success", "msg": "", "params": None})

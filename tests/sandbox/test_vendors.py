"""The stand-ins of the other vendors: what each documents about success, failure and limits."""

import gzip
import json
import threading
import time
from typing import Any

import pytest
import requests

from reverse_etl.sandbox import Sandbox
from reverse_etl.sandbox.vendor import basic
from reverse_etl.sandbox.vendors import VENDORS

SEMANTIC_PATCH = "application/json; domain-model=launchdarkly.semanticpatch"
NOW, NOW_MS = 1_768_750_000, 1_768_750_000_000
ULID = "01KF8A3B4C5D6E7F8G9HJKMNPQ"
CREDENTIALS = {
    "pendo": {"x-pendo-integration-key": "sandbox-integration-key"},
    "iterable": {"Api-Key": "sandbox-api-key"},
    "segment": {"Authorization": basic("sandbox-write-key", "")},
    "launchdarkly": {"Authorization": "sandbox-token"},
    "split": {"Authorization": "Bearer sandbox-admin-key"},
    "mixpanel": {"Authorization": basic("sandbox-account", "sandbox-secret")},
    "amplitude": {"Authorization": basic("sandbox-api-key", "sandbox-secret-key")},
    "customerio": {"Authorization": basic("sandbox-site", "sandbox-api-key")},
    "braze": {"Authorization": "Bearer sandbox-rest-key"},
    "intercom": {"Authorization": "Bearer sandbox-token", "Intercom-Version": "2.14"},
}


class Client:
    def __init__(self, sandbox: Sandbox, http: requests.Session):
        self.sandbox = sandbox
        self.http = http

    def __call__(
        self, method: str, path: str, body: Any = None, **headers: str
    ) -> requests.Response:
        vendor = path.split("/")[0]
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.http.request(
            method,
            f"{self.sandbox.url}/{path}",
            data=None if body is None else content,
            headers={"Content-Type": "application/json", **CREDENTIALS[vendor], **given},
            timeout=5,
        )


@pytest.fixture
def call(sandbox: Sandbox, http: requests.Session) -> Client:
    return Client(sandbox, http)


PROBES = [
    ("pendo", "api/v1/token/verify"),
    ("iterable", "api/lists"),
    ("launchdarkly", "api/v2/caller-identity"),
    ("split", "internal/api/v2/workspaces"),
    ("mixpanel", "api/app/me"),
    ("amplitude", "api/3/cohorts"),
    ("customerio", "api/v1/accounts/region"),
    ("braze", "campaigns/list"),
    ("intercom", "me"),
]


@pytest.mark.parametrize(("vendor", "path"), PROBES)
def test_a_probe_needs_the_right_credentials(
    call: Client, sandbox: Sandbox, vendor: str, path: str
) -> None:
    assert call("GET", f"{vendor}/{path}").status_code == 200
    answer = requests.get(f"{sandbox.url}/{vendor}/{path}", timeout=5)
    assert answer.status_code in (401, 403)


def test_every_stand_in_says_how_to_reach_it(sandbox: Sandbox) -> None:
    environment = sandbox.environment()
    for vendor in VENDORS:
        base_url = environment[f"KAIROS_{vendor.name}_BASE_URL".upper()]
        assert base_url.startswith(f"{sandbox.url}/{vendor.name}")


@pytest.mark.parametrize(
    ("name", "method", "path", "status"),
    [
        ("pendo", "PATCH", "pendo/api/v1/segment/s1/visitor", 409),
        ("launchdarkly", "PATCH", "launchdarkly/api/v2/segments/sandbox/production/s1", 409),
        ("amplitude", "POST", "amplitude/api/3/cohorts/membership", 429),
    ],
)
def test_two_edits_of_one_audience_at_once_are_one_too_many(
    sandbox: Sandbox, name: str, method: str, path: str, status: int
) -> None:
    bodies = {
        "pendo": {"patch": [{"op": "add", "path": "/visitors", "value": ["ann"]}]},
        "launchdarkly": {
            "instructions": [
                {"kind": "addIncludedTargets", "contextKind": "user", "values": ["ann"]}
            ]
        },
        "amplitude": {
            "cohort_id": "c1",
            "memberships": [{"ids": ["ann"], "id_type": "BY_ID", "operation": "ADD"}],
        },
    }
    headers = {"launchdarkly": {"Content_Type": SEMANTIC_PATCH}}.get(name, {})
    statuses: list[int] = []

    def edit() -> None:
        with requests.Session() as session:
            client = Client(sandbox, session)
            for _ in range(5):
                statuses.append(client(method, path, bodies[name], **headers).status_code)

    threads = [threading.Thread(target=edit) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(statuses) == {200, status}
    edited = "c1" if name == "amplitude" else "s1"
    assert sandbox.state(name)["members"] == {edited: ["ann"]}


# Pendo


def test_pendo_answers_each_operation_of_a_patch(call: Client, sandbox: Sandbox) -> None:
    sandbox.fault(kind="reject", users=["bad"], times=None)
    patch = [
        {"op": "add", "path": "/visitors", "value": ["a", "b"]},
        {"op": "remove", "path": "/visitors", "value": ["a"]},
        {"op": "add", "path": "/visitors", "value": ["bad"]},
    ]
    answer = call("PATCH", "pendo/api/v1/segment/s1/visitor", {"patch": patch})
    assert [part["status"] for part in answer.json()["multistatus"]] == [200, 200, 400]
    assert sandbox.state("pendo")["members"] == {"s1": ["b"]}


def test_pendo_updates_visitors_that_exist_and_names_the_others(
    call: Client, sandbox: Sandbox
) -> None:
    rows = [{"visitorId": user, "values": {"x": 1}} for user in ("a", "missing-1")]
    path = "pendo/api/v1/metadata/visitor/custom/value"
    assert call("POST", path, rows).json()["missing"] == ["missing-1"]
    assert call("POST", f"{path}?create=true", rows).json()["missing"] == []
    assert call("POST", path, [{"accountId": "a", "values": {}}]).status_code == 400


def test_pendo_tracks_with_another_key(call: Client, sandbox: Sandbox) -> None:
    event = {"type": "track", "event": "e", "visitorId": "a", "timestamp": NOW_MS}
    assert call("POST", "pendo/data/track", event).status_code == 403
    secret = {"x_pendo_integration_key": "sandbox-track-secret"}
    assert call("POST", "pendo/data/track", event, **secret).status_code == 200
    in_seconds = {**event, "timestamp": NOW}
    assert call("POST", "pendo/data/track", in_seconds, **secret).status_code == 400
    assert sandbox.state("pendo")["event_count"] == 1


# Iterable


def test_iterable_names_the_failed_users_of_a_batch(call: Client, sandbox: Sandbox) -> None:
    sandbox.fault(kind="reject", users=["bad"], times=None)
    users = [{"userId": user} for user in ("a", "bad", "forgotten-1", "missing-1")]
    answer = call("POST", "iterable/api/lists/subscribe", {"listId": 7, "subscribers": users})
    failed = answer.json()["failedUpdates"]
    assert answer.status_code == 200
    assert (answer.json()["successCount"], answer.json()["failCount"]) == (1, 3)
    assert failed["invalidUserIds"] == ["bad"]
    assert failed["forgottenUserIds"] == ["forgotten-1"]
    assert failed["notFoundUserIds"] == ["missing-1"]
    assert sandbox.state("iterable")["members"] == {"7": ["a"]}


def test_iterable_keeps_one_event_per_id(call: Client, sandbox: Sandbox) -> None:
    event = {"userId": "a", "eventName": "e", "id": "k1", "createdAt": NOW}
    call("POST", "iterable/api/events/track", event)
    call("POST", "iterable/api/events/trackBulk", {"events": [event, {**event, "id": "k2"}]})
    assert sandbox.state("iterable")["events"] == {"k1": 1, "k2": 1}
    too_long = {**event, "id": "k" * 513}
    assert call("POST", "iterable/api/events/track", too_long).json()["code"] == "BadParams"


def test_iterable_shows_who_was_unsubscribed_from_a_channel(call: Client, sandbox: Sandbox) -> None:
    body = {"listId": 7, "subscribers": [{"userId": "a"}], "channelUnsubscribe": True}
    call("POST", "iterable/api/lists/unsubscribe", body)
    assert sandbox.state("iterable")["channel_unsubscribed"] == ["a"]


def test_iterable_refuses_a_batch_of_more_than_four_megabytes(call: Client) -> None:
    users = [{"userId": "a", "dataFields": {"x": "y" * 4_200_000}}]
    answer = call("POST", "iterable/api/users/bulkUpdate", {"users": users})
    assert (answer.status_code, answer.json()["code"]) == (413, "BatchTooLarge")


def test_iterable_takes_five_bulk_updates_a_second(call: Client, sandbox: Sandbox) -> None:
    sandbox.limit("iterable", 5, seconds=3600, limit_class="bulk_users")
    body = {"users": [{"userId": "a"}]}
    statuses = [call("POST", "iterable/api/users/bulkUpdate", body).status_code for _ in range(6)]
    assert statuses == [200] * 5 + [429]


# Segment


def test_segment_deduplicates_by_message_id(call: Client, sandbox: Sandbox) -> None:
    message = {"type": "track", "userId": "a", "event": "e", "messageId": "m1"}
    for _ in range(2):
        assert call("POST", "segment/v1/batch", {"batch": [message]}).json() == {"success": True}
    assert sandbox.state("segment")["events"] == {"m1": 1}
    assert sandbox.state("segment")["deduplicated_count"] == 1


def test_segment_says_success_to_what_it_drops(call: Client, sandbox: Sandbox) -> None:
    message = {"type": "track", "userId": "a", "event": "e"}
    assert call("POST", "segment/v1/batch", {"batch": [message] * 2501}).status_code == 200
    assert call("POST", "segment/v1/track", {"userId": "a"}).status_code == 200
    assert sandbox.state("segment")["silently_dropped_count"] == 2502
    assert sandbox.state("segment")["event_count"] == 0


def test_segment_sets_and_ends_a_trait(call: Client, sandbox: Sandbox) -> None:
    for value in (True, None):
        call("POST", "segment/v1/identify", {"userId": "a", "traits": {"stuck": value, "x": 1}})
    assert sandbox.state("segment")["profiles"] == {"a": {"x": 1}}


def test_segment_refuses_a_batch_that_is_too_large(call: Client) -> None:
    message = {"type": "identify", "userId": "a", "traits": {"x": "y" * 30_000}}
    assert call("POST", "segment/v1/batch", {"batch": [message] * 18}).status_code == 400


def test_segment_takes_the_write_key_from_the_body(sandbox: Sandbox) -> None:
    body = {"userId": "a", "event": "e", "writeKey": "sandbox-write-key"}
    url = f"{sandbox.url}/segment/v1/track"
    assert requests.post(url, json=body, timeout=5).status_code == 200
    assert requests.post(url, json={**body, "writeKey": "x"}, timeout=5).status_code == 401


# LaunchDarkly

FLAGS = "launchdarkly/api/v2/segments/sandbox/production"


def patch(kind: str, *keys: str) -> dict:
    return {"instructions": [{"kind": kind, "contextKind": "user", "values": list(keys)}]}


def test_launchdarkly_patches_all_or_none(call: Client, sandbox: Sandbox) -> None:
    semantic = {"Content_Type": SEMANTIC_PATCH}
    body = patch("addIncludedTargets", "a", "b")
    assert call("PATCH", f"{FLAGS}/s1", body).status_code == 400
    assert call("PATCH", f"{FLAGS}/s1", body, **semantic).status_code == 200
    assert call(
        "PATCH", f"{FLAGS}/s1?dryRun=true", patch("removeIncludedTargets", "a"), **semantic
    ).ok
    sandbox.fault(kind="reject", users=["bad"])
    refused = patch("addIncludedTargets", "c", "bad")
    assert call("PATCH", f"{FLAGS}/s1", refused, **semantic).status_code == 400
    too_many = patch("addIncludedTargets", *map(str, range(1501)))
    assert call("PATCH", f"{FLAGS}/s1", too_many, **semantic).status_code == 400
    both = {
        "instructions": patch("addIncludedTargets", "x")["instructions"]
        + patch("addExcludedTargets", "x")["instructions"]
    }
    assert call("PATCH", f"{FLAGS}/s1", both, **semantic).status_code == 400
    assert sandbox.state("launchdarkly")["members"] == {"s1": ["a", "b"]}


def test_launchdarkly_changes_contexts_of_big_segments_alone(
    call: Client, sandbox: Sandbox
) -> None:
    body = {"included": {"add": ["a", "b"], "remove": ["b"]}}
    assert call("POST", f"{FLAGS}/s1/contexts", body).status_code == 400
    created = call("POST", FLAGS, {"key": "s2", "name": "s2", "unbounded": True})
    assert created.status_code == 201
    assert call("POST", f"{FLAGS}/s2/contexts", body).status_code == 204
    assert call("GET", f"{FLAGS}/s2/contexts/a").status_code == 200
    assert sandbox.state("launchdarkly")["members"] == {"s2": ["a"]}


def test_launchdarkly_tells_the_reset_in_epoch_milliseconds(call: Client, sandbox: Sandbox) -> None:
    answer = call("GET", "launchdarkly/api/v2/caller-identity")
    wait_ms = int(answer.headers["X-Ratelimit-Reset"]) - time.time() * 1000
    assert -1000 < wait_ms <= 10_000


def test_launchdarkly_expires_targets_and_reports_errors(call: Client, sandbox: Sandbox) -> None:
    sandbox.fault(kind="reject", users=["bad"])
    steps = [
        {
            "kind": "addExpiringTarget",
            "targetType": "included",
            "contextKey": key,
            "contextKind": "user",
            "value": NOW_MS,
        }
        for key in ("a", "bad")
    ]
    path = "launchdarkly/api/v2/segments/sandbox/s1/expiring-targets/production"
    answer = call("PATCH", path, {"instructions": steps}, Content_Type=SEMANTIC_PATCH)
    assert answer.status_code == 200
    assert [error["instructionIndex"] for error in answer.json()["errors"]] == [1]


# Split

SEGMENTS = "split/internal/api/v2/segments/sandbox-environment"


def test_split_adds_removes_and_replaces_keys(call: Client, sandbox: Sandbox) -> None:
    upload = f"{SEGMENTS}/s1/uploadKeys?replace="
    assert call("PUT", f"{upload}false", {"keys": ["a", "b"]}).status_code == 200
    assert call("PUT", f"{SEGMENTS}/s1/removeKeys", {"keys": ["a"]}).status_code == 200
    assert sandbox.state("split")["members"] == {"s1": ["b"]}
    assert call("PUT", f"{upload}true", {"keys": ["c"]}).status_code == 200
    assert sandbox.state("split")["members"] == {"s1": ["c"]}
    too_many = {"keys": [str(number) for number in range(10_001)]}
    assert call("PUT", f"{upload}false", too_many).status_code == 400


def test_split_tells_seconds_to_wait(call: Client, sandbox: Sandbox) -> None:
    sandbox.fault(kind="429", seconds=4)
    headers = call("GET", "split/internal/api/v2/workspaces").headers
    assert headers["X-RateLimit-Reset-Seconds-Org"] == "4"


def test_split_takes_events_with_the_other_key(call: Client, sandbox: Sandbox) -> None:
    event = {"eventTypeId": "e", "trafficTypeName": "user", "key": "a", "timestamp": NOW_MS}
    key = {"Authorization": "Bearer sandbox-sdk-key"}
    assert call("POST", "split/api/events/bulk", [event]).status_code == 401
    assert call("POST", "split/api/events/bulk", [event], **key).status_code == 202
    bad = {**event, "eventTypeId": "not allowed"}
    assert call("POST", "split/api/events/bulk", [bad], **key).status_code == 400


# Mixpanel


def mixpanel_event(insert_id: str, **properties: Any) -> dict:
    return {
        "event": "e",
        "properties": {"time": NOW, "distinct_id": "a", "$insert_id": insert_id, **properties},
    }


def test_mixpanel_imports_the_good_rows_and_names_the_others(
    call: Client, sandbox: Sandbox
) -> None:
    events = [mixpanel_event("k1"), mixpanel_event("not allowed!"), mixpanel_event("k2")]
    answer = call("POST", "mixpanel/import?strict=1&project_id=1", events)
    assert answer.status_code == 400
    assert answer.json()["num_records_imported"] == 2
    assert [record["index"] for record in answer.json()["failed_records"]] == [1]
    again = call("POST", "mixpanel/import?strict=1&project_id=1", [mixpanel_event("k1")])
    assert again.json() == {"code": 200, "num_records_imported": 1, "status": "OK"}
    assert sandbox.state("mixpanel")["event_count"] == 2
    assert sandbox.state("mixpanel")["deduplicated_count"] == 1


def test_mixpanel_takes_gzip_and_lines_of_json(call: Client, sandbox: Sandbox) -> None:
    lines = "\n".join(json.dumps(mixpanel_event(key)) for key in ("k1", "k2"))
    headers = {"Content_Type": "application/x-ndjson", "Content_Encoding": "gzip"}
    answer = call("POST", "mixpanel/import", gzip.compress(lines.encode()), **headers)
    assert answer.json()["num_records_imported"] == 2
    assert call("POST", "mixpanel/import", b"not gzip", **headers).status_code == 400


def test_mixpanel_answers_413_to_more_than_two_thousand(call: Client) -> None:
    events = [mixpanel_event(f"k{number}") for number in range(2001)]
    assert call("POST", "mixpanel/import", events).status_code == 413


def test_mixpanel_updates_profiles(call: Client, sandbox: Sandbox) -> None:
    row = {"$token": "sandbox-token", "$distinct_id": "a"}
    rows = [
        {**row, "$set": {"x": 1, "y": 2}},
        {**row, "$unset": ["x"]},
        {**row, "$union": {"z": ["s1"]}},
    ]
    assert call("POST", "mixpanel/engage?strict=1", rows).status_code == 200
    assert sandbox.state("mixpanel")["profiles"] == {"a": {"y": 2, "z": ["s1"]}}
    wrong = [{**row, "$token": "other", "$set": {}}]
    assert call("POST", "mixpanel/engage", wrong).json() == 0
    assert call("POST", "mixpanel/engage?strict=1", wrong).status_code == 400


# Amplitude


def amplitude_events(*events: dict) -> dict:
    return {"api_key": "sandbox-api-key", "events": list(events)}


def test_amplitude_knows_an_insert_id(call: Client, sandbox: Sandbox) -> None:
    event = {"user_id": "user-1", "event_type": "e", "insert_id": "k1", "time": NOW_MS}
    for endpoint in ("2/httpapi", "batch"):
        answer = call("POST", f"amplitude/{endpoint}", amplitude_events(event))
        assert answer.json()["events_ingested"] == 1
    assert sandbox.state("amplitude")["events"] == {"k1": 1}


def test_amplitude_refuses_a_batch_whole_and_names_positions(
    call: Client, sandbox: Sandbox
) -> None:
    good = {"user_id": "user-1", "event_type": "e"}
    bad = [{"user_id": "user-1"}, {**good, "time": "now"}, {**good, "user_id": "u"}]
    answer = call("POST", "amplitude/2/httpapi", amplitude_events(good, *bad)).json()
    assert answer["events_with_missing_fields"] == {"event_type": [1]}
    assert answer["events_with_invalid_fields"] == {"time": [2]}
    assert answer["events_with_invalid_id_lengths"] == {"user_id": [3]}
    assert sandbox.state("amplitude")["event_count"] == 0


def test_amplitude_throttles_one_user(call: Client) -> None:
    event = {"user_id": "user-1", "event_type": "e"}
    answer = call("POST", "amplitude/2/httpapi", amplitude_events(*[event] * 31))
    assert answer.status_code == 429
    assert answer.json()["throttled_events"] == [30]
    assert list(answer.json()["throttled_users"]) == ["user-1"]


def test_amplitude_skips_ids_that_it_does_not_know(call: Client, sandbox: Sandbox) -> None:
    body = {
        "cohort_id": "c1",
        "memberships": [{"ids": ["a", "missing-1"], "id_type": "BY_ID", "operation": "ADD"}],
    }
    assert call("POST", "amplitude/api/3/cohorts/membership", body).status_code == 400
    body["skip_invalid_ids"] = True
    answer = call("POST", "amplitude/api/3/cohorts/membership", body).json()
    assert answer["memberships_result"][0]["skipped_ids"] == ["missing-1"]
    assert sandbox.state("amplitude")["members"] == {"c1": ["a"]}


def test_amplitude_identifies_from_a_form(call: Client, sandbox: Sandbox) -> None:
    rows = [{"user_id": "user-1", "user_properties": {"$set": {"x": 1}, "$unset": {"y": "-"}}}]
    form = requests.models.RequestEncodingMixin._encode_params(
        {"api_key": "sandbox-api-key", "identification": json.dumps(rows)}
    )
    headers = {"Content_Type": "application/x-www-form-urlencoded"}
    assert call("POST", "amplitude/identify", form.encode(), **headers).status_code == 200
    assert sandbox.state("amplitude")["profiles"] == {"user-1": {"x": 1}}


# Customer.io


def test_customerio_answers_207_and_does_the_rest(call: Client, sandbox: Sandbox) -> None:
    person = {"type": "person", "identifiers": {"id": "a"}}
    batch = [
        {**person, "action": "identify", "attributes": {"x": 1}},
        {**person, "action": "event", "name": "e", "id": "no ulid"},
        {**person, "action": "event", "name": "e", "id": ULID, "timestamp": NOW},
    ]
    answer = call("POST", "customerio/api/v2/batch", {"batch": batch})
    assert answer.status_code == 207
    assert [error["batch_index"] for error in answer.json()["errors"]] == [1]
    state = sandbox.state("customerio")
    assert state["profiles"] == {"a": {"x": 1}}
    assert state["events"] == {ULID: 1}
    assert call("POST", "customerio/api/v2/batch", {"batch": batch[2:]}).status_code == 200
    assert sandbox.state("customerio")["deduplicated_count"] == 1


def test_customerio_ignores_ids_of_nobody(call: Client, sandbox: Sandbox) -> None:
    path = "customerio/api/v1/segments/7/add_customers?id_type=id"
    assert call("POST", path, {"ids": ["a", "missing-1"]}).status_code == 200
    assert call("POST", path, {"ids": ["a"] * 1001}).status_code == 400
    assert sandbox.state("customerio")["members"] == {"7": ["a"]}
    assert sandbox.state("customerio")["ignored_count"] == 1


def test_customerio_keeps_to_its_sizes(call: Client) -> None:
    large = {"x": "y" * 1001}
    assert call("PUT", "customerio/api/v1/customers/a", large).status_code == 400
    assert call("PUT", f"customerio/api/v1/customers/{'a' * 151}", {}).status_code == 400
    entity = {"type": "person", "identifiers": {"id": "a"}, "action": "identify"}
    entity["attributes"] = {f"x{number}": "y" * 900 for number in range(40)}
    assert call("POST", "customerio/api/v2/entity", entity).status_code == 413


# Braze


def test_braze_answers_201_with_the_rows_that_failed(call: Client, sandbox: Sandbox) -> None:
    event = {"external_id": "a", "name": "e", "time": "2026-01-18T12:00:00Z"}
    body = {
        "attributes": [{"external_id": "a", "stuck": True}],
        "events": [event, {"name": "e"}, {**event, "time": "noon"}],
    }
    answer = call("POST", "braze/users/track", body)
    assert answer.status_code == 201
    assert answer.json()["message"] == "success"
    assert answer.json()["events_processed"] == 1
    assert [(e["input_array"], e["index"]) for e in answer.json()["errors"]] == [
        ("events", 1),
        ("events", 2),
    ]
    call("POST", "braze/users/track", {"attributes": [{"external_id": "a", "stuck": None}]})
    assert sandbox.state("braze")["profiles"] == {"a": {}}


def test_braze_takes_seventy_five_of_each(call: Client) -> None:
    rows = [{"external_id": "a", "x": 1}] * 76
    assert call("POST", "braze/users/track", {"attributes": rows}).status_code == 400
    assert call("POST", "braze/users/track", {"attributes": rows[1:]}).status_code == 201
    headers = call("GET", "braze/campaigns/list").headers
    assert 0 < int(headers["X-RateLimit-Reset"]) - time.time() <= 4


def test_braze_sends_a_canvas_and_sets_subscriptions(call: Client, sandbox: Sandbox) -> None:
    entry = {"idempotency_key": "k1"}
    recipients = [{"external_user_id": "a", "canvas_entry_properties": entry}]
    body = {"canvas_id": "c", "recipients": recipients}
    assert call("POST", "braze/canvas/trigger/send", body).status_code == 201
    group = {"subscription_group_id": "g", "external_id": ["a"]}
    for state in ("subscribed", "unsubscribed"):
        call("POST", "braze/subscription/status/set", {**group, "subscription_state": state})
    assert sandbox.state("braze")["events"] == {"k1": 1}
    assert sandbox.state("braze")["members"] == {"g": []}


# Intercom


def test_intercom_tags_a_contact_and_takes_the_tag_away(call: Client, sandbox: Sandbox) -> None:
    contact = call("POST", "intercom/contacts", {"role": "user", "external_id": "a"}).json()["id"]
    assert call("POST", "intercom/contacts", {"external_id": "a"}).status_code == 409
    query = {"query": {"field": "external_id", "operator": "=", "value": "a"}}
    found = call("POST", "intercom/contacts/search", query).json()
    assert [item["id"] for item in found["data"]] == [contact]
    tag = call("POST", "intercom/tags", {"name": "stuck"}).json()["id"]
    assert call("POST", f"intercom/contacts/{contact}/tags", {"id": tag}).status_code == 200
    assert sandbox.state("intercom")["members"] == {tag: ["a"]}
    assert call("DELETE", f"intercom/contacts/{contact}/tags/{tag}").status_code == 200
    assert sandbox.state("intercom")["members"] == {tag: []}


def test_intercom_takes_events_one_at_a_time(call: Client, sandbox: Sandbox) -> None:
    event = {"event_name": "e", "created_at": NOW, "user_id": "a"}
    assert call("POST", "intercom/events", event).status_code == 202
    assert call("POST", "intercom/events", {**event, "created_at": NOW_MS}).status_code == 400
    missing = call("POST", "intercom/events", {**event, "user_id": "missing-1"})
    assert missing.json()["errors"][0]["code"] == "not_found"
    assert call("GET", "intercom/me", Intercom_Version="1.0").status_code == 400

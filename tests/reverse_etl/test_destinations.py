"""Settings, and the exact requests of the two destinations."""

import base64
import hashlib
import hmac
import json
from pathlib import Path

import pytest

from reverse_etl import destinations
from reverse_etl.destinations.appcues import Appcues
from reverse_etl.destinations.base import Capabilities, Destination, Verdict, batches
from reverse_etl.destinations.webhook import Webhook
from reverse_etl.errors import NotConfigured, UnknownDestination
from reverse_etl.model import Response
from tests.reverse_etl.conftest import moment, operation

APPCUES = {
    "KAIROS_APPCUES_ACCOUNT_ID": "42",
    "KAIROS_APPCUES_API_KEY": "key",
    "KAIROS_APPCUES_API_SECRET": "s3cret-value",
}
WEBHOOK = {"KAIROS_WEBHOOK_URL": "https://hooks.example.com/h/abc", "KAIROS_WEBHOOK_SECRET": "s3c"}


def test_every_missing_variable_is_named() -> None:
    with pytest.raises(NotConfigured, match="set KAIROS_APPCUES_API_KEY, KAIROS_APPCUES_API_SEC"):
        Appcues.from_env({"KAIROS_APPCUES_ACCOUNT_ID": "42"})


def test_a_secret_may_come_from_a_file(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("from-a-file\n")
    env = {
        **APPCUES,
        "KAIROS_APPCUES_API_SECRET": "",
        "KAIROS_APPCUES_API_SECRET_FILE": f"{secret}",
    }

    assert Appcues.from_env(env).api_secret == "from-a-file"


def test_a_secret_file_that_cannot_be_read_is_named() -> None:
    env = {**WEBHOOK, "KAIROS_WEBHOOK_SECRET": "", "KAIROS_WEBHOOK_SECRET_FILE": "/no/such/file"}
    with pytest.raises(NotConfigured, match="KAIROS_WEBHOOK_SECRET_FILE names /no/such/file"):
        Webhook.from_env(env)


def test_a_value_that_cannot_be_used_is_named_and_not_shown() -> None:
    with pytest.raises(NotConfigured, match="KAIROS_APPCUES_REGION") as caught:
        Appcues.from_env({**APPCUES, "KAIROS_APPCUES_REGION": "s3cret-value"})
    assert "s3cret-value" not in str(caught.value)


def test_secrets_stay_out_of_repr() -> None:
    shown = repr([Appcues.from_env(APPCUES), Webhook.from_env(WEBHOOK)])
    request = next(iter(Appcues.from_env(APPCUES).requests([operation(1)])))

    for secret in ("s3cret-value", "s3c'", "hooks.example.com/h/abc"):
        assert secret not in shown
    assert "Basic" not in repr(request) and "user-1" not in repr(request)


def test_every_module_of_the_folder_is_a_destination_with_probe_and_capabilities() -> None:
    for name in destinations.names():
        found = destinations.find(name)
        assert found.name == name
        assert issubclass(found, Destination)
        assert (found.__doc__ or "").strip()


def test_an_unknown_destination_is_answered_with_those_that_exist() -> None:
    with pytest.raises(UnknownDestination, match="choose one of amplitude, appcues, "):
        destinations.find("fax")


def test_the_webhook_signs_timestamp_and_body() -> None:
    webhook = Webhook.from_env(WEBHOOK)
    [request] = webhook.requests([moment(1), operation(2)])

    signed = webhook.prepare(request, 1_772_000_000)

    digest = hmac.new(b"s3c", b"1772000000." + signed.body, hashlib.sha256).hexdigest()
    assert signed.headers["Kairos-Signature"] == f"t=1772000000,v1={digest}"
    assert [row["idempotency_key"] for row in json.loads(signed.body)["operations"]] == [
        moment(1).idempotency_key,
        operation(2).idempotency_key,
    ]


def test_a_batch_has_the_same_key_each_time_it_is_built() -> None:
    webhook = Webhook.from_env(WEBHOOK)
    one, other = (list(webhook.requests([moment(1), moment(2)])) for _ in range(2))

    assert one[0].headers["Idempotency-Key"] == other[0].headers["Idempotency-Key"]
    [single] = webhook.requests([moment(1)])
    assert single.headers["Idempotency-Key"] == moment(1).idempotency_key


def test_appcues_speaks_its_documented_requests() -> None:
    appcues = Appcues.from_env({**APPCUES, "KAIROS_APPCUES_SEGMENTS": "people=seg-9"})
    requests = list(
        appcues.requests(
            [
                operation(1, user_key="a/b c"),
                operation(2),
                operation(3, verb="remove"),
                operation(4, kind="profile", verb="update", object_key="profile",
                          user_key="a/b c", payload={"band": "high"}),
                moment(5, payload={"trigger_name": "pause"}),
            ]
        )
    )  # fmt: skip

    root = "https://api.appcues.com/v2/accounts/42"
    assert [(r.method, r.url, json.loads(r.body)) for r in requests] == [
        ("POST", f"{root}/segments/seg-9/add_user_ids", {"user_ids": ["a/b c", "user-2"]}),
        ("POST", f"{root}/segments/seg-9/remove_user_ids", {"user_ids": ["user-3"]}),
        ("PATCH", f"{root}/users/a%2Fb%20c/profile", {"band": "high"}),
        (
            "POST",
            f"{root}/users/user-5/events",
            {
                "name": "kairos_moment",
                "timestamp": "2026-03-04T12:00:00+00:00",
                "attributes": {
                    "trigger_name": "pause",
                    "content_key": "tip",
                    "idempotency_key": moment(5).idempotency_key,
                },
            },
        ),
    ]
    token = base64.b64encode(b"key:s3cret-value").decode()
    assert {r.headers["Authorization"] for r in requests} == {f"Basic {token}"}
    assert (appcues.probe().method, appcues.probe().url) == ("GET", f"{root}/tags")


def test_appcues_has_regions() -> None:
    appcues = Appcues.from_env({**APPCUES, "KAIROS_APPCUES_REGION": "eu"})
    assert appcues.probe().url.startswith("https://api.eu.appcues.com/")


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (200, Verdict.READ),
        (204, Verdict.READ),
        (302, Verdict.REFUSED),
        (400, Verdict.REFUSED),
        (401, Verdict.MISCONFIGURED),
        (403, Verdict.MISCONFIGURED),
        (404, Verdict.NO_TARGET),
        (408, Verdict.RETRY),
        (409, Verdict.REFUSED),
        (410, Verdict.GONE),
        (413, Verdict.TOO_LARGE),
        (422, Verdict.REFUSED),
        (425, Verdict.RETRY),
        (429, Verdict.RETRY),
        (500, Verdict.UNCERTAIN),
        (502, Verdict.UNCERTAIN),
        (503, Verdict.RETRY),
        (504, Verdict.UNCERTAIN),
    ],
)
def test_a_status_means_the_same_everywhere(status: int, verdict: Verdict) -> None:
    assert Webhook.from_env(WEBHOOK).verdict(Response(status)) is verdict


def test_a_vendor_may_say_busy_with_a_status_of_its_own() -> None:
    class Busy(Webhook):
        name = "busy"
        capabilities = Capabilities(dedupe={}, busy_statuses=frozenset({409}))

    busy = Busy(url="u", secret="s")
    assert busy.verdict(Response(409)) is Verdict.RETRY


def test_batches_keep_to_both_limits_and_let_what_is_too_large_stand_alone() -> None:
    pieces = [(operation(n), "x" * size) for n, size in enumerate([10, 10, 10, 99, 1, 1, 1])]

    grouped = batches(pieces, count=3, size_bytes=30, size=len, overhead_bytes=2)

    assert [[len(text) for _, text in batch] for batch in grouped] == [
        [10, 10], [10], [99], [1, 1, 1],
    ]  # fmt: skip

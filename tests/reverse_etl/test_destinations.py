"""Settings, and the exact requests of the two destinations."""

import base64
import hashlib
import hmac
import json
from dataclasses import replace
from pathlib import Path

import pytest
from urllib3.util import parse_url

from reverse_etl import destinations
from reverse_etl.destinations.appcues import Appcues
from reverse_etl.destinations.base import Capabilities, Destination, Verdict, batches
from reverse_etl.destinations.kafka import Kafka
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


@pytest.mark.parametrize(
    ("variable", "value", "remedy"),
    [
        ("KAIROS_WEBHOOK_BATCH_COUNT", "0", "a whole number from 1 on"),
        ("KAIROS_WEBHOOK_BATCH_COUNT", "many", "a whole number from 1 on"),
        ("KAIROS_WEBHOOK_REQUESTS_PER_SECOND", "0", "a number above 0"),
        ("KAIROS_WEBHOOK_REQUESTS_PER_SECOND", "nan", "a number above 0"),
        ("KAIROS_WEBHOOK_ALLOW_PRIVATE", "perhaps", "1 or 0"),
        ("KAIROS_WEBHOOK_URL", "hooks.example.com/h/abc", "https://host"),
        ("KAIROS_WEBHOOK_URL", "https:///h/abc", "https://host"),
        ("KAIROS_WEBHOOK_URL", "https://me:s3cret@hooks.example.com", "without user"),
    ],
)
def test_a_setting_that_could_not_work_is_refused_with_what_would(
    variable: str, value: str, remedy: str
) -> None:
    with pytest.raises(NotConfigured, match=f"{variable} .*{remedy}") as caught:
        Webhook.from_env({**WEBHOOK, variable: value})
    # nor in what a log shows of the cause
    assert caught.value.__cause__ is None and caught.value.__suppress_context__
    assert value not in str(caught.value) or value == "0"


def test_a_map_with_a_name_and_no_value_is_refused() -> None:
    for text in ("people", "people=", "=seg-9", "people=seg-9,others"):
        with pytest.raises(NotConfigured, match=r"KAIROS_APPCUES_SEGMENTS .*name=value"):
            Appcues.from_env({**APPCUES, "KAIROS_APPCUES_SEGMENTS": text})


def test_spaces_and_line_breaks_around_a_value_are_none_of_it() -> None:
    env = {**APPCUES, "KAIROS_APPCUES_API_SECRET": " s3cret-value\n"}

    assert Appcues.from_env(env).api_secret == "s3cret-value"
    with pytest.raises(NotConfigured, match="set KAIROS_APPCUES_API_SECRET"):
        Appcues.from_env({**env, "KAIROS_APPCUES_API_SECRET": " \n"})


def test_passwords_among_the_properties_of_kafka_are_secrets() -> None:
    kafka = Kafka.from_env(
        {
            "KAIROS_KAFKA_BOOTSTRAP_SERVERS": "broker:9092",
            "KAIROS_KAFKA_CONFIG": "ssl.key.password=hunter2,linger.ms=20",
        }
    )

    assert "hunter2" not in repr(kafka)
    assert kafka.secrets() == ("hunter2",)


def test_a_payload_that_is_no_object_is_refused_before_it_is_sent() -> None:
    webhook = Webhook.from_env(WEBHOOK)

    for text in ("null", "[1]", '"text"', "3"):
        odd = replace(moment(1), payload_text=text)
        assert webhook.check(odd) == "its payload is no JSON object"
    assert webhook.check(replace(moment(1), payload_text="")) is None
    assert webhook.check(moment(1)) is None


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


@pytest.mark.parametrize("user", [".", "..", "..."])
def test_a_user_key_of_dots_leads_to_no_other_path(user: str) -> None:
    appcues = Appcues.from_env(APPCUES)
    [request] = appcues.requests([moment(1, user_key=user)])

    # what urllib3 makes of it is what is asked for
    dots = user.replace(".", "%2E")
    assert parse_url(request.url).path == f"/v2/accounts/42/users/{dots}/events"
    assert parse_url(appcues.erasure(user)[0].url).path == f"/v2/accounts/42/users/{dots}/profile"


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

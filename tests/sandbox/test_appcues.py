"""The Appcues stand-in: what it takes, what it refuses, and what it remembers."""

import pytest
import requests

from reverse_etl.sandbox import Sandbox
from reverse_etl.sandbox.vendors.appcues import ACCOUNT, KEY, SECRET

EVENT = {"name": "shown", "timestamp": "2026-01-18T12:00:00+00:00", "attributes": {}}


class Client:
    def __init__(self, sandbox: Sandbox, http: requests.Session):
        self.base = f"{sandbox.base_url('appcues')}/v2/accounts/{ACCOUNT}"
        self.http = http
        self.auth = (KEY, SECRET)

    def __call__(self, method: str, path: str, body: object = None) -> requests.Response:
        return self.http.request(
            method, f"{self.base}/{path}", json=body, auth=self.auth, timeout=5
        )


@pytest.fixture
def appcues(sandbox: Sandbox, http: requests.Session) -> Client:
    return Client(sandbox, http)


def test_members_are_added_and_removed(sandbox: Sandbox, appcues: Client) -> None:
    assert appcues("POST", "segments/s1/add_user_ids", {"user_ids": ["a", "b"]}).status_code == 204
    assert appcues("POST", "segments/s1/remove_user_ids", {"user_ids": ["a"]}).status_code == 204
    assert sandbox.state("appcues")["members"] == {"s1": ["b"]}


def test_a_repeated_addition_changes_nothing_and_is_counted(
    sandbox: Sandbox, appcues: Client
) -> None:
    for _ in range(2):
        appcues("POST", "segments/s1/add_user_ids", {"user_ids": ["a"]})
    assert sandbox.state("appcues")["members"] == {"s1": ["a"]}
    assert sandbox.state("appcues")["redundant_count"] == 1


def test_an_event_that_comes_twice_happens_twice(sandbox: Sandbox, appcues: Client) -> None:
    event = {**EVENT, "attributes": {"idempotency_key": "k1"}}
    for _ in range(2):
        assert appcues("POST", "users/a/events", event).status_code == 204
    assert sandbox.state("appcues")["events"] == {"k1": 2}
    assert sandbox.state("appcues")["repeated_event_count"] == 1


def test_a_profile_is_merged_and_read_back(appcues: Client) -> None:
    appcues("PATCH", "users/a/profile", {"score": 0.7, "band": "tip"})
    appcues("PATCH", "users/a/profile", {"score": 0.9, "band": None})
    assert appcues("GET", "users/a/profile").json() == {"user_id": "a", "score": 0.9}


def test_an_encoded_slash_is_part_of_the_user_id(sandbox: Sandbox, appcues: Client) -> None:
    assert appcues("PATCH", "users/a%2Fb/profile", {"x": 1}).status_code == 200
    assert sandbox.state("appcues")["profiles"] == {"a/b": {"x": 1}}


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "tags", None, 200),
        ("POST", "users/a/events", {"name": "shown", "attributes": {}}, 400),
        ("POST", "users/a/events", {**EVENT, "timestamp": "yesterday"}, 400),
        ("POST", "users/a/events", {**EVENT, "surprise": 1}, 400),
        ("POST", "users/a/events", None, 400),
        ("PATCH", "users/a/profile", {"nested": {"x": 1}}, 400),
        ("POST", "segments/s1/add_user_ids", {"user_ids": []}, 400),
        ("POST", "segments/s1/add_user_ids", {"user_ids": ["a"] * 1001}, 400),
        ("POST", "segments/missing-1/add_user_ids", {"user_ids": ["a"]}, 404),
        ("PUT", "segments/s1/add_user_ids", {"user_ids": ["a"]}, 405),
        ("POST", "import/profiles", {}, 404),
    ],
)
def test_a_request_is_judged_as_the_vendor_would(
    appcues: Client, method: str, path: str, body: object, status: int
) -> None:
    assert appcues(method, path, body).status_code == status


def test_wrong_credentials_and_a_foreign_account_are_refused(
    sandbox: Sandbox, appcues: Client
) -> None:
    appcues.auth = (KEY, "wrong")
    assert appcues("GET", "tags").json()["status"] == 401
    appcues.auth = (KEY, SECRET)
    appcues.base = f"{sandbox.base_url('appcues')}/v2/accounts/other"
    assert appcues("GET", "tags").status_code == 403


def test_the_sixty_first_request_of_a_second_is_refused(sandbox: Sandbox, appcues: Client) -> None:
    # a window that lasts: the test must not straddle two seconds
    sandbox.limit("appcues", 60, seconds=3600)
    answers = [appcues("GET", "tags") for _ in range(61)]
    assert [answer.status_code for answer in answers] == [200] * 60 + [429]
    assert answers[0].headers["X-RateLimit-Remaining"] == "59"
    assert int(answers[-1].headers["X-RateLimit-Reset"]) % 3600 == 0
    assert sandbox.state("appcues")["limits"]["default"]["refused_count"] == 1

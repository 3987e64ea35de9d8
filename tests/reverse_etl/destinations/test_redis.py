"""Redis, against a real server."""

import os
import uuid
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import redis

from kairos.doctor.check import Status
from kairos.doctor.delivery import check_destination
from reverse_etl import destinations
from reverse_etl.destinations.base import Verdict
from tests.reverse_etl.conftest import moment, operation

URL = os.environ.get("KAIROS_TEST_REDIS", "redis://127.0.0.1:6379/0")


class Server:
    def __init__(self, client: redis.Redis) -> None:
        self.client = client
        self.prefix = f"kairos-test-{uuid.uuid4().hex}"
        self.env = {"KAIROS_REDIS_URL": URL, "KAIROS_REDIS_PREFIX": self.prefix}

    def members(self, audience: str = "people") -> set[str]:
        return self.client.smembers(f"{self.prefix}:audience:{audience}")

    def profile(self, user: str) -> dict[str, str]:
        return self.client.hgetall(f"{self.prefix}:user:{user}")


@pytest.fixture
def server() -> Iterator[Server]:
    client = redis.Redis.from_url(URL, decode_responses=True, socket_connect_timeout=2)
    try:
        client.ping()
    except redis.exceptions.ConnectionError:
        pytest.skip("no Redis server at 127.0.0.1:6379 (KAIROS_TEST_REDIS names another)")
    with client:
        server = Server(client)
        yield server
        for key in client.scan_iter(f"{server.prefix}:*"):
            client.delete(key)


def cached(number: int, **fields: Any) -> Any:
    return operation(number, destination="redis", **fields)


def attributes(number: int, values: dict[str, Any], **fields: Any) -> Any:
    return cached(
        number, kind="profile", verb="update", object_key="profile", payload=values, **fields
    )


def test_members_come_and_go(deliver, server) -> None:
    delivery = deliver("redis", server.env)

    assert delivery(*(cached(n) for n in range(2_500))).request_count == 3
    outcome = delivery(cached(9_000, verb="remove", user_key="user-7"))

    assert outcome.counts == {"accepted": 1}
    assert len(server.members()) == 2_499 and "user-7" not in server.members()


def test_profiles_are_hashes_and_a_null_removes_a_field(deliver, server) -> None:
    delivery = deliver("redis", server.env)
    delivery(attributes(1, {"band": "high", "score": 0.5, "is_new": True, "tags": ["a", "é"]}))
    assert server.profile("user-1") == {
        "band": "high", "score": "0.5", "is_new": "true", "tags": '["a","é"]',
    }  # fmt: skip

    delivery(attributes(2, {"band": None, "score": 1}, user_key="user-1"), attributes(3, {}))

    assert server.profile("user-1") == {"score": "1", "is_new": "true", "tags": '["a","é"]'}
    assert set(delivery.states().values()) == {"accepted"}


def test_a_command_that_fails_stands_alone(deliver, server) -> None:
    server.client.set(f"{server.prefix}:user:user-2", "something of somebody else's")
    delivery = deliver("redis", server.env)

    outcome = delivery(*(attributes(n, {"band": "low"}) for n in range(4)))

    assert outcome.counts == {"accepted": 3, "rejected": 1}
    assert delivery.states()["user-2"] == "rejected"


def test_moments_are_not_for_a_cache(deliver, server) -> None:
    assert deliver("redis", server.env)(moment(1, destination="redis")).counts == {"invalid": 1}


def test_an_account_that_may_not_write_stops_the_run(deliver, server) -> None:
    user = f"kairos-{uuid.uuid4().hex[:8]}"
    server.client.acl_setuser(user, enabled=True, passwords=["+s3cret-pw"], keys=["*"],
                              commands=["+ping", "+hgetall", "+client"])  # fmt: skip
    try:
        limited = URL.replace("redis://", f"redis://{user}:s3cret-pw@")
        delivery = deliver("redis", {**server.env, "KAIROS_REDIS_URL": limited})

        outcome = delivery(cached(1), cached(2))

        assert outcome.counts == {"retryable": 2}
        assert "KAIROS_REDIS_" in str(outcome.problem)
    finally:
        server.client.acl_deluser(user)


def test_wrong_credentials_stop_the_run_and_burn_no_row(deliver, server) -> None:
    wrong = {**server.env, "KAIROS_REDIS_URL": URL.replace("redis://", "redis://nobody:wrong-pw@")}
    delivery = deliver("redis", wrong)

    outcome = delivery(*(cached(n) for n in range(5)))

    assert outcome.counts == {"retryable": 5}
    assert "wrong-pw" not in str(outcome) + str([tuple(r) for r in delivery.ledger.operations()])
    assert check_destination("redis", wrong).status is Status.FAIL
    assert check_destination("redis", server.env).status is Status.OK
    delivery.env = server.env
    assert delivery(*(cached(n) for n in range(5))).counts == {"accepted": 5}


def test_a_server_that_is_not_there_has_been_sent_nothing(deliver) -> None:
    outcome = deliver("redis", {"KAIROS_REDIS_URL": "redis://127.0.0.1:9/0"})(cached(1))

    assert outcome.counts == {"retryable": 1}


def test_a_person_is_deleted_and_a_refusal_is_said(deliver, server) -> None:
    delivery = deliver("redis", server.env)
    delivery(*(attributes(n, {"band": "high"}, user_key=user) for n, user in enumerate("ab")))
    found = destinations.find("redis").from_env(server.env)
    transport = found.transport()

    [request] = found.erasure("a")
    assert found.verdict(transport.send(request)) is Verdict.READ
    assert (server.profile("a"), server.profile("b")) == ({}, {"band": "high"})

    wrong = replace(request, body=[[("DEL",)]])
    assert found.verdict(transport.send(wrong)) is Verdict.REFUSED
    transport.close()

"""Faults on demand: each one happens to the socket, and the state says what took effect."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest
import requests
from urllib3.exceptions import ProtocolError

from reverse_etl.sandbox import Sandbox
from reverse_etl.sandbox.faults import BadFault
from reverse_etl.sandbox.vendors.appcues import ACCOUNT, KEY, SECRET

Add = Callable[..., requests.Response]


@pytest.fixture
def add(sandbox: Sandbox, http: requests.Session) -> Add:
    url = f"{sandbox.base_url('appcues')}/v2/accounts/{ACCOUNT}/segments/s1/add_user_ids"

    def send(timeout: float = 5.0) -> requests.Response:
        return http.post(url, json={"user_ids": ["a"]}, auth=(KEY, SECRET), timeout=timeout)

    return send


def members(sandbox: Sandbox) -> dict[str, list[str]]:
    return sandbox.state("appcues")["members"]


def test_a_reset_is_a_reset_and_nothing_happened(sandbox: Sandbox, add: Add) -> None:
    sandbox.fault(kind="reset")
    with pytest.raises(requests.ConnectionError) as raised:
        add()
    assert isinstance(raised.value.args[0], ProtocolError)
    assert isinstance(raised.value.args[0].args[1], ConnectionResetError)
    assert members(sandbox) == {}
    assert add().status_code == 204


def test_commit_then_drop_does_it_and_ends_without_an_answer(sandbox: Sandbox, add: Add) -> None:
    sandbox.fault(kind="commit_then_drop")
    with pytest.raises(requests.ConnectionError) as raised:
        add()
    assert "Remote end closed connection" in str(raised.value)
    assert members(sandbox) == {"s1": ["a"]}
    assert sandbox.requests("appcues")[-1].outcome == "dropped"
    assert sandbox.requests("appcues")[-1].took_effect


def test_a_timeout_never_answers(sandbox: Sandbox, add: Add) -> None:
    sandbox.fault(kind="timeout")
    with pytest.raises(requests.ReadTimeout):
        add(timeout=0.2)
    assert members(sandbox) == {}


def test_a_timeout_can_come_after_the_commit(sandbox: Sandbox, add: Add) -> None:
    sandbox.fault(kind="timeout", after_commit=True)
    with pytest.raises(requests.ReadTimeout):
        add(timeout=0.2)
    assert members(sandbox) == {"s1": ["a"]}


def test_a_slow_answer_is_the_right_one(sandbox: Sandbox, add: Add) -> None:
    sandbox.fault(kind="slow", seconds=0.3)
    started = time.monotonic()
    assert add().status_code == 204
    assert time.monotonic() - started >= 0.3


def test_a_malformed_answer_comes_after_the_commit(sandbox: Sandbox, add: Add) -> None:
    sandbox.fault(kind="malformed")
    answer = add()
    assert answer.status_code == 200
    with pytest.raises(requests.JSONDecodeError):
        answer.json()
    assert members(sandbox) == {"s1": ["a"]}


def test_a_truncated_answer_ends_too_early(sandbox: Sandbox, add: Add) -> None:
    sandbox.fault(kind="truncated", method="GET")
    url = f"{sandbox.base_url('appcues')}/v2/accounts/{ACCOUNT}/tags"
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        requests.get(url, auth=(KEY, SECRET), timeout=5)


@pytest.mark.parametrize("status", [500, 502, 503])
def test_a_5xx_changes_nothing_and_keeps_the_connection(
    sandbox: Sandbox, add: Add, status: int
) -> None:
    sandbox.fault(kind="5xx", status=status)
    assert add().status_code == status
    assert members(sandbox) == {}
    assert add().status_code == 204


def test_a_429_says_when_to_come_again_in_each_form(sandbox: Sandbox, add: Add) -> None:
    sandbox.fault(kind="429", retry_after="seconds", seconds=7)
    assert add().headers["Retry-After"] == "7"

    sandbox.fault(kind="429", retry_after="date", seconds=60)
    wait = parsedate_to_datetime(add().headers["Retry-After"]) - datetime.now(UTC)
    assert 55 < wait.total_seconds() <= 60

    sandbox.fault(kind="429", retry_after="none")
    assert "Retry-After" not in add().headers

    sandbox.fault(kind="429", seconds=5)
    answer = add()
    assert 3 < int(answer.headers["X-RateLimit-Reset"]) - time.time() < 7
    assert members(sandbox) == {}


def test_a_fault_hits_only_what_it_fits_and_so_often(sandbox: Sandbox, add: Add) -> None:
    sandbox.fault(kind="5xx", destination="webhook", times=None)
    sandbox.fault(kind="5xx", path="remove_user_ids$", times=None)
    sandbox.fault(kind="5xx", skip=1, times=2)
    assert [add().status_code for _ in range(4)] == [204, 503, 503, 204]


def test_probability_is_drawn_from_a_seed(sandbox: Sandbox, add: Add) -> None:
    sandbox.limit("appcues", None)
    sandbox.fault(kind="5xx", probability=0.3, times=None)
    failures = sum(add().status_code == 503 for _ in range(100))
    assert 15 <= failures <= 45


def test_a_rejected_user_is_refused_until_the_fault_is_cleared(sandbox: Sandbox, add: Add) -> None:
    sandbox.fault(kind="reject", users=["a"], times=None)
    assert add().status_code == 422
    sandbox.faults.clear()
    assert add().status_code == 204


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "earthquake"},
        {"kind": "5xx", "surprise": 1},
        {"kind": "429", "retry_after": "soon"},
        {"kind": "5xx", "probability": 2},
        {"kind": "5xx", "path": "("},
        {"kind": "reject"},
    ],
)
def test_a_fault_that_nobody_can_mean_is_refused(sandbox: Sandbox, fault: dict) -> None:
    with pytest.raises(BadFault):
        sandbox.fault(**fault)
    answer = requests.post(f"{sandbox.url}/_sandbox/faults", json=fault, timeout=5)
    assert answer.status_code == 400


def test_a_killed_sandbox_holds_what_it_acknowledged(tmp_path: Path) -> None:
    sandbox = Sandbox(state_file=tmp_path / "sandbox.json").start()
    url = f"{sandbox.base_url('appcues')}/v2/accounts/{ACCOUNT}/segments/s1/add_user_ids"
    requests.post(url, json={"user_ids": ["a", "b"]}, auth=(KEY, SECRET), timeout=5)
    with (tmp_path / "sandbox.1.log").open("a") as log:
        log.write('["appcues", "add", ["s1", "torn')
    # not stopped: whatever it would have saved, it does not
    with Sandbox(state_file=tmp_path / "sandbox.json") as again:
        assert again.state("appcues")["members"] == {"s1": ["a", "b"]}
    sandbox.memory = None
    sandbox.stop()


def test_state_outlasts_a_restart(tmp_path: Path) -> None:
    for expected in (0, 1):
        with Sandbox(state_file=tmp_path / "sandbox.json") as sandbox:
            url = f"{sandbox.base_url('appcues')}/v2/accounts/{ACCOUNT}/segments/s1/add_user_ids"
            requests.post(url, json={"user_ids": ["a"]}, auth=(KEY, SECRET), timeout=5)
            assert sandbox.state("appcues")["redundant_count"] == expected

"""The sandbox looked at over HTTP, and as a command."""

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path

import requests

from reverse_etl.sandbox import Sandbox
from reverse_etl.sandbox.journal import Journal
from reverse_etl.sandbox.vendors.appcues import ACCOUNT, KEY, SECRET
from reverse_etl.sandbox.wire import Request


def add_member(sandbox: Sandbox) -> None:
    url = f"{sandbox.base_url('appcues')}/v2/accounts/{ACCOUNT}/segments/s1/add_user_ids"
    requests.post(url, json={"user_ids": ["a"]}, auth=(KEY, SECRET), timeout=5)


def control(sandbox: Sandbox, path: str) -> dict:
    return requests.get(f"{sandbox.url}/_sandbox/{path}", timeout=5).json()


def test_requests_are_listed_without_their_credentials(sandbox: Sandbox) -> None:
    add_member(sandbox)
    listed = control(sandbox, "requests?destination=appcues")
    assert listed["total"] == 1
    assert listed["summary"] == {"appcues": {"204 answered": 1}}
    assert listed["requests"][0]["body"] == {"user_ids": ["a"]}
    assert listed["requests"][0]["headers"]["authorization"] == "(masked)"
    assert SECRET not in json.dumps(listed)


def test_audiences_exist_by_name_or_when_somebody_made_them(sandbox: Sandbox) -> None:
    assert control(sandbox, "audiences")["appcues"] is None, "any one does"
    sandbox.name_audiences(lambda: {"needs_help"})

    def add(segment: str) -> int:
        url = f"{sandbox.base_url('appcues')}/v2/accounts/{ACCOUNT}/segments"
        users = {"user_ids": ["a"]}
        url = f"{url}/{segment}/add_user_ids"
        return requests.post(url, json=users, auth=(KEY, SECRET), timeout=5).status_code

    assert (add("needs_help"), add("needs_hepl"), add("seg-9")) == (204, 404, 404)
    made = {"destination": "appcues", "audiences": ["seg-9"]}
    url = f"{sandbox.url}/_sandbox/audiences"
    assert requests.post(url, json=made, timeout=5).status_code == 201
    assert (add("seg-9"), add("needs_hepl")) == (204, 404)
    assert control(sandbox, "audiences")["appcues"] == ["needs_help", "seg-9"]
    for wrong in ({**made, "audiences": "seg-9"}, {"destination": "iterable", "audiences": ["x"]}):
        assert requests.post(url, json=wrong, timeout=5).status_code == 400

    sandbox.reset()
    assert (add("needs_help"), add("seg-9")) == (204, 404)


def test_lists_of_a_vendor_that_numbers_them_are_named_by_the_variables(sandbox: Sandbox) -> None:
    names = ["b"]
    sandbox.name_audiences(lambda: names)
    assert sandbox.environment("iterable")["KAIROS_ITERABLE_LISTS"] == "b=1"
    names.append("a")
    # a number is given only once: members of the one must not become those of the other
    assert sandbox.environment("iterable")["KAIROS_ITERABLE_LISTS"] == "b=1,a=2"


def test_state_is_given_whole_or_in_numbers(sandbox: Sandbox) -> None:
    add_member(sandbox)
    assert control(sandbox, "state")["appcues"]["members"] == {"s1": ["a"]}
    counts = control(sandbox, "state?destination=appcues&detail=counts")
    assert counts["members"] == {"s1": 1}
    assert "profiles" not in counts


def test_reset_forgets_everything(sandbox: Sandbox) -> None:
    add_member(sandbox)
    sandbox.fault(kind="5xx")
    assert requests.post(f"{sandbox.url}/_sandbox/reset", timeout=5).status_code == 204
    assert control(sandbox, "requests")["total"] == 0
    assert control(sandbox, "faults") == {"faults": []}
    assert sandbox.state("appcues")["members"] == {}


def test_an_unknown_destination_names_those_that_exist(sandbox: Sandbox) -> None:
    answer = requests.get(f"{sandbox.url}/acme/v1/things", timeout=5)
    assert answer.status_code == 404
    assert "appcues" in answer.json()["error"]


def test_a_limit_is_set_and_lifted_over_http(sandbox: Sandbox) -> None:
    limits = f"{sandbox.url}/_sandbox/limits"
    document = {"destination": "appcues", "requests": 0, "seconds": 60}
    assert requests.post(limits, json=document, timeout=5).status_code == 204
    add_member(sandbox)
    assert sandbox.state("appcues")["members"] == {}
    requests.post(limits, json={"destination": "appcues"}, timeout=5)
    add_member(sandbox)
    assert sandbox.state("appcues")["members"] == {"s1": ["a"]}


def test_what_is_no_http_is_answered_and_ended(sandbox: Sandbox) -> None:
    for garbage in (b"hello\r\n\r\n", b"POST / HTTP/1.1\r\nContent-Length: many\r\n\r\n"):
        with socket.create_connection(sandbox.address, timeout=5) as connection:
            connection.sendall(garbage)
            assert connection.recv(1000).startswith(b"HTTP/1.1 400 ")
            assert connection.recv(1000) == b""


def test_the_journal_keeps_the_latest_and_counts_the_rest() -> None:
    journal = Journal(kept=3, kept_bytes=100)
    for size in (10, 10, 10, 10, 90):
        request = Request("POST", "/acme/x", "", {}, b"x" * size)
        journal.add("acme", request, "/x", 200, "answered", took_effect=True)
    assert [entry.number for entry in journal.of("acme")] == [4, 5]
    assert journal.count("acme") == 5


def test_chunked_bodies_are_understood(sandbox: Sandbox) -> None:
    url = f"{sandbox.base_url('appcues')}/v2/accounts/{ACCOUNT}/segments/s1/add_user_ids"
    chunks = iter([b'{"user_ids":', b'["a"]}'])
    headers = {"Content-Type": "application/json"}
    answer = requests.post(url, data=chunks, headers=headers, auth=(KEY, SECRET), timeout=5)
    assert answer.status_code == 204


def test_the_command_serves_until_it_is_told_to_stop(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "kairos",
            "sandbox",
            "--port",
            "0",
            "--json",
            "--audience",
            "9",
            "--state",
            str(state),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr.readline().startswith("listening on http://127.0.0.1:")
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=10)
    finally:
        process.kill()
    environment = json.loads(output)["environment"]
    assert environment["KAIROS_APPCUES_ACCOUNT_ID"] == ACCOUNT
    assert environment["KAIROS_ITERABLE_LISTS"] == "9=1,needs_help=2,onboarding_completed=3"
    assert process.returncode == 0
    assert "appcues" in json.loads(state.read_text())["vendors"]


def test_a_taken_port_is_one_sentence(sandbox: Sandbox) -> None:
    port = sandbox.address[1]
    command = [sys.executable, "-m", "kairos", "sandbox", "--port", str(port)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert result.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}" in result.stderr
    assert "Traceback" not in result.stderr

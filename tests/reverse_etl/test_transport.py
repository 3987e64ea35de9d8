"""One request on a real socket, and an honest word about what may have arrived."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from reverse_etl.dispatch.transport import HttpTransport, is_public
from reverse_etl.errors import AddressRefused, NotSent, OutcomeUnknown, RequestUnusable
from reverse_etl.model import Request

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@contextmanager
def server(answer: Callable[[socket.socket], None]) -> Iterator[tuple[str, list[bytes]]]:
    """Listen on loopback; every connection is read once and then answered as the test says."""
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    peer, _ = listener.accept()
                except OSError:
                    return
                with peer:
                    data = peer.recv(65_536)
                    if data:
                        heard.append(data)
                        answer(peer)

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", heard
        listener.shutdown(socket.SHUT_RDWR)


def send(url: str, **options: float) -> int:
    transport = HttpTransport(**{"connect_seconds": 1, "read_seconds": 0.3, **options})  # type: ignore[arg-type]
    try:
        return transport.send(Request((), url, b"{}")).status
    finally:
        transport.close()


def test_an_answer_is_read_to_its_end() -> None:
    with server(lambda peer: peer.sendall(OK)) as (url, heard):
        assert send(url) == 200
    assert len(heard) == 1


def test_a_closed_port_and_an_unknown_host_are_certainly_not_sent() -> None:
    with pytest.raises(NotSent, match=r"127\.0\.0\.1:9 refused the connection"):
        send("http://127.0.0.1:9/secret-path")
    with pytest.raises(NotSent, match="has no address"):
        send("http://nobody.invalid/")


@pytest.mark.parametrize("value", ["Bearer hunter2\nX-More: 1", "Bearer hunter2\r", "Bearer ключ"])
def test_a_credential_that_no_header_can_carry_is_named_and_not_shown(value: str) -> None:
    with server(lambda peer: peer.sendall(OK)) as (url, heard):
        transport = HttpTransport()
        with pytest.raises(RequestUnusable, match="the header Authorization") as caught:
            transport.send(Request((), url, b"{}", headers={"Authorization": value}))
    assert "Bearer" not in str(caught.value)
    assert caught.value.__cause__ is None and caught.value.__context__ is None
    assert heard == []


def test_a_certificate_that_nobody_signed_is_not_sent_to() -> None:
    with server(lambda peer: peer.sendall(b"not tls")) as (url, _), pytest.raises(NotSent):
        send(url.replace("http:", "https:"))


@pytest.mark.parametrize(
    "answer",
    [
        lambda peer: None,  # closes
        lambda peer: time.sleep(0.6),  # says nothing
        lambda peer: peer.sendall(OK[:-1]),  # closes in the middle
        lambda peer: peer.sendall(b"what is this\r\n\r\n"),
    ],
)
def test_no_whole_answer_leaves_the_outcome_unknown(answer: Callable[[socket.socket], None]):
    with server(answer) as (url, heard), pytest.raises(OutcomeUnknown):
        send(url)
    assert len(heard) == 1, "sent again by the transport"


@pytest.mark.parametrize(
    "beginning",
    [
        b"",  # the status line itself never ends
        b"HTTP/1.1 200 OK\r\nX-Long: ",  # nor the headers
        b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfff\r\n",
    ],
)
def test_an_answer_that_drips_for_ever_ends_at_the_deadline(beginning: bytes) -> None:
    def drip(peer: socket.socket) -> None:
        peer.sendall(beginning)
        for _ in range(100):
            try:
                peer.sendall(b"x")
            except OSError:
                return
            time.sleep(0.05)

    began = time.monotonic()
    with server(drip) as (url, _), pytest.raises(OutcomeUnknown):
        send(url, answer_seconds=0.4)
    assert 0.3 < time.monotonic() - began < 2


def test_a_slow_answer_on_a_connection_that_is_kept_has_a_time_of_its_own() -> None:
    def slowly(peer: socket.socket) -> None:
        for _ in range(3):
            time.sleep(0.2)
            peer.sendall(OK)
            peer.recv(65_536)

    transport = HttpTransport(connect_seconds=1, read_seconds=1, answer_seconds=0.4)
    with server(slowly) as (url, _):
        assert [transport.send(Request((), url, b"{}")).status for _ in range(3)] == [200] * 3
    transport.close()


def test_a_redirect_is_an_answer_and_not_followed() -> None:
    moved = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n"
    with server(lambda peer: peer.sendall(moved)) as (url, heard):
        assert send(url) == 302
    assert len(heard) == 1


def test_a_private_address_gets_no_byte() -> None:
    with server(lambda peer: peer.sendall(OK)) as (url, heard):
        transport = HttpTransport(allow_private=False)
        with pytest.raises(AddressRefused, match="KAIROS_WEBHOOK_ALLOW_PRIVATE=1"):
            transport.send(Request((), url.replace("127.0.0.1", "localhost"), b"{}"))
    assert heard == []


def test_the_address_that_counts_is_the_one_connected_to(monkeypatch) -> None:
    # a name that is public when somebody looks and private when we connect
    real = socket.getaddrinfo
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda host, port, *rest, **more: real("127.0.0.1", port, *rest, **more),
    )
    with server(lambda peer: peer.sendall(OK)) as (url, heard):
        transport = HttpTransport(allow_private=False)
        with pytest.raises(AddressRefused):
            transport.send(Request((), url.replace("127.0.0.1", "hooks.example.com"), b"{}"))
    assert heard == []


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("8.8.8.8", True),
        ("2606:4700::1111", True),
        ("10.0.0.1", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("::1", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:8.8.8.8", True),
        ("2002:7f00:1::", False),
        ("64:ff9b::7f00:1", False),
    ],
)
def test_only_addresses_of_the_public_internet_are_public(address: str, expected: bool) -> None:
    assert is_public(address) is expected

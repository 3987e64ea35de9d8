"""Out through a proxy, past an authority of one's own, and no word of a password."""

import socket
import time
import traceback
from pathlib import Path

import pytest

from reverse_etl.destinations.webhook import Webhook
from reverse_etl.dispatch.network import Network
from reverse_etl.dispatch.transport import HttpTransport
from reverse_etl.errors import AddressRefused, NetworkUnusable, NotSent, OutcomeUnknown
from reverse_etl.model import Request
from reverse_etl.sandbox import Sandbox
from tests.reverse_etl.conftest import Line, operation
from tests.reverse_etl.proxies import OK, Authority, ForwardProxy, listening, origin

VENDOR = "vendor.example"
CLOSED = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"), "ours")


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"), "theirs")


def transport(env: dict[str, str], **options: float) -> HttpTransport:
    return HttpTransport(
        network=Network.from_env(env), connect_seconds=1, read_seconds=0.4, **options
    )  # type: ignore[arg-type]


def send(env: dict[str, str], url: str, **options: float) -> int:
    opened = transport(env, **options)
    try:
        return opened.send(Request((), url, b"{}", headers={"Authorization": "vendor-key"})).status
    finally:
        opened.close()


def test_https_goes_through_a_tunnel_and_the_proxy_sees_no_word_of_it(authority) -> None:
    with (
        origin(authority.context(VENDOR)) as (port, requests),
        ForwardProxy(port).running() as proxy,
    ):
        env = {
            "HTTPS_PROXY": f"http://ann:p%40ss%2Fword@127.0.0.1:{proxy.port}",
            "SSL_CERT_FILE": str(authority.bundle),
        }
        proxy.credentials = "Basic YW5uOnBAc3Mvd29yZA=="  # ann:p@ss/word
        opened = transport(env)
        request = Request((), f"https://{VENDOR}/v1", b"{}", headers={"Authorization": "key"})
        assert [opened.send(request).status for _ in range(2)] == [200, 200]
        opened.close()
    [tunnel] = proxy.requests
    assert tunnel.startswith(b"CONNECT vendor.example:443 ")
    assert b"Authorization: key" not in tunnel
    assert len(requests) == 2, "over one connection"
    assert requests[0].startswith(b"POST /v1 ")
    assert b"Proxy-Authorization" not in requests[0]


def test_plain_http_is_handed_to_the_proxy_whole() -> None:
    with origin() as (port, requests), ForwardProxy(port, "Basic YTpi").running() as proxy:
        url = f"http://{VENDOR}:8080/v1"
        assert send({"http_proxy": f"a:b@127.0.0.1:{proxy.port}"}, url) == 200
        assert send({"http_proxy": f"127.0.0.1:{proxy.port}"}, url) == 407
    assert len(requests) == 1
    assert requests[0].startswith(b"POST http://vendor.example:8080/v1 ")
    assert b"Host: vendor.example:8080\r\n" in requests[0]


def test_a_run_says_that_it_is_the_proxy_who_refuses_us(line: Line, sandbox: Sandbox) -> None:
    line.plan([operation(1)])
    sandbox.fault(destination="webhook", kind="5xx", status=407, times=None)
    problem = line.sync().problem
    assert problem is not None
    assert problem.startswith("the proxy asks who we are (HTTP 407): write user and password")


def test_a_proxy_may_itself_be_reached_by_https(authority) -> None:
    with (
        origin(authority.context(VENDOR)) as (port, requests),
        ForwardProxy(port).running(authority.context()) as proxy,
    ):
        env = {"ALL_PROXY": f"https://127.0.0.1:{proxy.port}"}
        trusted = {"REQUESTS_CA_BUNDLE": str(authority.bundle)}
        assert send(env | trusted, f"https://{VENDOR}/") == 200
        with pytest.raises(
            NotSent, match=r"the proxy https://127\.0\.0\.1:\d+ shows a certificate"
        ):
            send(env, f"https://{VENDOR}/")
    assert len(requests) == 1


def test_only_who_is_signed_by_the_named_authority_is_sent_to(authority, stranger) -> None:
    with origin(authority.context(VENDOR)) as (port, requests):
        url = f"https://127.0.0.1:{port}/"
        assert send({"SSL_CERT_FILE": str(authority.bundle)}, url) == 200
        both = {
            "REQUESTS_CA_BUNDLE": str(authority.bundle),
            "SSL_CERT_FILE": str(stranger.bundle),
        }
        assert send(both, url) == 200
        for env in ({}, {"SSL_CERT_FILE": str(stranger.bundle)}):
            with pytest.raises(NotSent, match=r"not trusted \(.*set REQUESTS_CA_BUNDLE to"):
                send(env, url)
        with (
            ForwardProxy(port).running() as proxy,
            pytest.raises(NotSent, match=r"other\.example, through the proxy .*not valid for"),
        ):
            env = {"HTTPS_PROXY": f"http://127.0.0.1:{proxy.port}"}
            send(both | env, "https://other.example/")
    assert len(requests) == 2


def test_a_bundle_that_cannot_be_read_is_named_with_its_variable(tmp_path: Path) -> None:
    empty = tmp_path / "empty.pem"
    empty.write_text("nothing of use\n")
    for path in (empty, tmp_path / "none.pem"):
        with pytest.raises(NetworkUnusable, match=rf"SSL_CERT_FILE names .*{path.name}, which"):
            send({"SSL_CERT_FILE": str(path)}, CLOSED)


@pytest.mark.parametrize(
    ("exceptions", "url", "is_direct"),
    [
        ("", "https://vendor.example/", False),
        ("other.example", "https://vendor.example/", False),
        ("vendor.example", "https://vendor.example/", True),
        ("other.example, .example", "https://api.vendor.example/", True),
        ("endor.example", "https://vendor.example/", False),
        ("vendor.example:443", "https://vendor.example/", True),
        ("vendor.example:8443", "https://vendor.example/", False),
        ("*", "https://vendor.example/", True),
        ("192.0.2.7", "http://192.0.2.7:8080/", True),
        ("192.0.2.0/24", "http://192.0.2.7:8080/", True),
        ("198.51.100.0/24", "http://192.0.2.7:8080/", False),
        ("2001:db8::/32", "http://[2001:db8::1]/", True),
        ("[2001:db8::1]", "http://[2001:db8::1]/", True),
        ("", "http://127.0.0.1:4010/", True),
        ("", "http://[::1]:4010/", True),
        ("", "http://localhost:4010/", True),
        ("", "http://localhost.example/", False),
    ],
)
def test_exceptions_and_this_machine_are_reached_without_a_proxy(
    exceptions: str, url: str, is_direct: bool
) -> None:
    env = {"ALL_PROXY": "http://proxy.example:3128", "NO_PROXY": exceptions}
    assert (Network.from_env(env).proxy_for(url) is None) is is_direct


def test_small_letters_count_before_capitals_also_where_they_are_empty() -> None:
    env = {"https_proxy": "small.example:3128", "HTTPS_PROXY": "http://capital.example"}
    proxy = Network.from_env(env).proxy_for("https://vendor.example/")
    assert proxy is not None
    assert proxy.url == "http://small.example:3128"
    proxy = Network.from_env({**env, "https_proxy": ""}).proxy_for("https://vendor.example/")
    assert proxy is None
    assert Network.from_env(env).proxy_for("http://vendor.example/") is None


@pytest.mark.parametrize(
    "address",
    [
        "socks5://ann:s3cret@proxy.example:1080",
        "http://ann:s3/cret@proxy.example:3128",
        "http://ann:3128#s3cret@proxy.example:3128",
        "http://ann:s3cret@proxy.example:port",
        "http://",
    ],
)
def test_what_is_no_address_of_a_proxy_is_refused_without_a_word_of_it(address: str) -> None:
    with pytest.raises(NetworkUnusable, match=r"^HTTPS_PROXY ") as refusal:
        send({"HTTPS_PROXY": address}, "https://vendor.example/")
    shown = "".join(traceback.format_exception(refusal.value))
    assert not [word for word in ("s3", "cret", "ann", "3128") if word in shown.replace("_", "")]


def refused_by(answer: bytes, url: str) -> pytest.ExceptionInfo[NotSent]:
    with ForwardProxy(9, answer=answer).running() as proxy:
        env = {"ALL_PROXY": f"http://ann:s3cret@127.0.0.1:{proxy.port}"}
        with pytest.raises(NotSent) as refusal:
            send(env, url)
    assert len(proxy.requests) == 1, "sent again by the transport"
    return refusal


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n",
            r"opens no tunnel for us \(status 403\)$",
        ),
        (b"HTTP/1.1 407 Who\r\nContent-Length: 0\r\n\r\n", r"\(status 407\): it wants a user"),
        (b"HTTP/1.1 502 Down\r\nContent-Length: 0\r\n\r\n", r"opens no tunnel .*502"),
        (b"", "closed the connection without an answer"),
        (b"what is this\r\n\r\n", "closed the connection|broke off"),
        (b"HTTP/1.1 200 Connected\r\n\r\n", "through the proxy .* (closed|failed|broke)"),
    ],
)
def test_without_a_tunnel_nothing_was_sent_and_no_password_is_shown(
    answer: bytes, words: str
) -> None:
    refusal = refused_by(answer, f"https://{VENDOR}/secret-path")
    assert refusal.match(words)
    shown = "".join(traceback.format_exception(refusal.value)) + repr(refusal.value)
    assert "s3cret" not in shown
    assert "secret-path" not in str(refusal.value)


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("address", [CLOSED, "http://nobody.invalid:3128"])
def test_a_proxy_that_cannot_be_reached_was_sent_nothing(scheme: str, address: str) -> None:
    words = r"^the proxy http://[\w.]+:\d+ (refused the connection|has no address)$"
    with pytest.raises(NotSent, match=words):
        send({f"{scheme}_proxy": address}, f"{scheme}://{VENDOR}/")


def test_a_proxy_that_never_opens_the_tunnel_was_sent_nothing() -> None:
    def drip(peer: socket.socket) -> None:
        peer.recv(65_536)
        peer.sendall(b"HTTP/1.1 200 Connected\r\nX-Long: ")
        for _ in range(40):
            peer.sendall(b"x")
            time.sleep(0.05)

    began = time.monotonic()
    with listening(drip) as port, pytest.raises(NotSent, match="through the proxy"):
        send({"HTTPS_PROXY": f"http://127.0.0.1:{port}"}, f"https://{VENDOR}/", answer_seconds=0.4)
    assert 0.3 < time.monotonic() - began < 1.5


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_what_fails_once_the_request_was_passed_on_is_unknown(scheme: str, authority) -> None:
    # urllib3 raises the same ProxyError for a proxy that closes here as for one that is not there
    context = authority.context(VENDOR) if scheme == "https" else None
    with origin(context, answer=b"") as (port, requests), ForwardProxy(port).running() as proxy:
        env = {
            "ALL_PROXY": f"http://ann:s3cret@127.0.0.1:{proxy.port}",
            "SSL_CERT_FILE": str(authority.bundle),
        }
        with pytest.raises(OutcomeUnknown, match=r"the proxy .* without an answer") as doubt:
            send(env, f"{scheme}://{VENDOR}/")
    assert len(requests) == 1
    assert "s3cret" not in "".join(traceback.format_exception(doubt.value))


@pytest.mark.parametrize(
    "answer",
    [b"", OK[:-1], b"what is this\r\n\r\n"],
)
def test_a_proxy_that_took_the_request_and_breaks_leaves_it_unknown(answer: bytes) -> None:
    with ForwardProxy(9, answer=answer).running() as proxy, pytest.raises(OutcomeUnknown):
        send({"HTTP_PROXY": f"http://127.0.0.1:{proxy.port}"}, f"http://{VENDOR}/")
    assert len(proxy.requests) == 1


def test_an_answer_that_drips_through_a_tunnel_ends_at_the_deadline(authority) -> None:
    def drip(peer: socket.socket) -> None:
        peer.recv(65_536)
        peer.sendall(OK[:-2])
        while True:
            peer.sendall(b"") or time.sleep(0.05)

    began = time.monotonic()
    with (
        listening(drip, authority.context(VENDOR)) as port,
        ForwardProxy(port).running() as proxy,
        pytest.raises(OutcomeUnknown),
    ):
        env = {
            "HTTPS_PROXY": f"http://127.0.0.1:{proxy.port}",
            "SSL_CERT_FILE": str(authority.bundle),
        }
        send(env, f"https://{VENDOR}/", answer_seconds=0.3)
    assert time.monotonic() - began < 1.5


@pytest.mark.parametrize(
    ("url", "resolved"),
    [
        ("http://10.1.2.3/hook", "10.1.2.3"),
        ("http://[fd00::1]/hook", "fd00::1"),
        ("http://hooks.example/hook", "192.168.7.7"),
        # one reader of addresses would take this for a path of fine.example
        (r"http://hooks.example\@fine.example/hook", "192.168.7.7"),
    ],
)
def test_behind_a_proxy_a_private_address_is_refused_by_what_its_name_says_here(
    url: str, resolved: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = {"hooks.example": "192.168.7.7", "fine.example": "8.8.8.8"}
    real = socket.getaddrinfo

    def resolve(host: str, *rest, **more):
        if host == "far.example":
            raise socket.gaierror(socket.EAI_NONAME, "nobody knows it here")
        return real(names.get(host, host), *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with origin() as (port, requests), ForwardProxy(port).running() as proxy:
        env = {
            "ALL_PROXY": f"http://127.0.0.1:{proxy.port}",
            # which would not take every one of these: the transport does not rely on that
            "KAIROS_WEBHOOK_URL": "http://hooks.example/hook",
            "KAIROS_WEBHOOK_SECRET": "s3cret",
        }
        webhook = Webhook.from_env(env).transport()
        with pytest.raises(AddressRefused, match=f"resolves to {resolved}.*ALLOW_PRIVATE=1"):
            webhook.send(Request((), url, b"{}"))
        assert proxy.requests == []
        # the proxy's own address is private, too, and that is no reason to refuse
        for host in ("fine.example", "far.example"):
            assert webhook.send(Request((), f"http://{host}/hook", b"{}")).status == 200
        webhook.close()
        allowed = Webhook.from_env({**env, "KAIROS_WEBHOOK_ALLOW_PRIVATE": "1"}).transport()
        assert allowed.send(Request((), url, b"{}")).status == 200
        allowed.close()
    assert len(requests) == 3


def test_no_password_of_a_proxy_is_in_the_repr_of_anything() -> None:
    env = {
        "HTTPS_PROXY": "http://ann:s3cret@proxy.example:3128",
        "KAIROS_WEBHOOK_URL": "https://hooks.example/",
        "KAIROS_WEBHOOK_SECRET": "key",
    }
    network = Network.from_env(env)
    shown = (
        f"{network!r} {network.proxy_for('https://vendor.example/')!r} {Webhook.from_env(env)!r}"
    )
    assert "proxy.example" in shown
    assert "s3cret" not in shown

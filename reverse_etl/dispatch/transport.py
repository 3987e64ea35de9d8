"""HTTP: one request on one real socket, and an honest word about what may have arrived."""

import io
import ipaddress
import re
import socket
import ssl
import threading
import time
from contextlib import suppress
from http.client import HTTPResponse
from typing import Any, Protocol
from urllib.parse import urlsplit

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError, ProxyError, SSLError
from urllib3.util import parse_url

from reverse_etl.dispatch.network import BUNDLES, Network, Proxy
from reverse_etl.errors import AddressRefused, NotSent, OutcomeUnknown, RequestUnusable
from reverse_etl.model import Request, Response

CONNECT_SECONDS = 10.0
READ_SECONDS = 30.0
ANSWER_SECONDS = 120.0
"""However slowly an answer drips in, after this long it counts as none."""
LARGEST_ANSWER_BYTES = 16 * 1024 * 1024
NAT64 = ipaddress.ip_network("64:ff9b::/96")
"""Addresses that stand for IPv4 ones, private ones among them."""
FIT_FOR_A_HEADER = re.compile(r"[\t\x20-\x7e\xa0-\xff]*")
TUNNEL_REFUSED = re.compile(r"Tunnel connection failed: (\d{3})\b")


class Transport(Protocol):
    """What carries requests: HTTP, or the client of a bus."""

    def send(self, request: Request) -> Response:
        """Send once. Raises NotSent or OutcomeUnknown, never leaves open which of the two."""

    def close(self) -> None:
        """Close connections; nothing is under way any more."""


class HttpTransport:
    """Keeps connections alive, verifies certificates, follows no redirect, retries nothing."""

    def __init__(
        self,
        *,
        network: Network | None = None,
        allow_private: bool = True,
        connections: int = 8,
        connect_seconds: float = CONNECT_SECONDS,
        read_seconds: float = READ_SECONDS,
        answer_seconds: float = ANSWER_SECONDS,
    ) -> None:
        """`allow_private` False refuses every address that the public internet cannot reach.

        NetworkUnusable where the certificates of `network` cannot be read.
        """
        self._network = network or Network()
        self._allow_private = allow_private
        self._timeout = urllib3.Timeout(connect=connect_seconds, read=read_seconds)
        self._answer_seconds = answer_seconds
        self._options: dict[str, Any] = {
            "num_pools": 8,
            "maxsize": connections,
            "block": False,
            "retries": False,
            "cert_reqs": "CERT_REQUIRED",
            **self._network.trusted(),
        }
        self._pools: dict[Proxy | None, urllib3.PoolManager] = {}
        self._lock = threading.Lock()

    def send(self, request: Request) -> Response:
        """Send once and read the whole answer.

        AddressRefused, NetworkUnusable and RequestUnusable where nothing could be sent until a
        person mends it.
        """
        _refuse_headers(request)
        # read and set by the connection, in this thread
        _under_way.ends_at = time.monotonic() + self._answer_seconds
        _under_way.has_begun = False
        proxy = None
        try:
            proxy = self._network.proxy_for(request.url)
            answer = self._pool(proxy, request.url).urlopen(
                request.method,
                request.url,
                body=request.body,
                headers=dict(request.headers),
                timeout=self._timeout,
                redirect=False,
                preload_content=False,
            )
        except (HTTPError, OSError) as error:
            # not by the class of the error: urllib3 wraps what happens before and what happens
            # after a proxy has the request in the same one
            meaning = OutcomeUnknown if _under_way.has_begun else NotSent
            raise meaning(_words(error, request, proxy)) from error
        try:
            body = _read(answer)
        except (HTTPError, OSError) as error:
            answer.close()
            raise OutcomeUnknown(_words(error, request, proxy)) from error
        answer.release_conn()
        return Response(
            answer.status, {name.lower(): text for name, text in answer.headers.items()}, body
        )

    def close(self) -> None:
        """Close every connection."""
        for pool in self._pools.values():
            pool.clear()

    def _pool(self, proxy: Proxy | None, url: str) -> urllib3.PoolManager:
        """Give the connections of one way out; AddressRefused where `url` may not take it."""
        if proxy is not None and not self._allow_private:
            # read as what sends it reads it
            _refuse_private_name((parse_url(url).host or "").strip("[]"))
        with self._lock:
            if proxy not in self._pools:
                self._pools[proxy] = self._opened(proxy)
            return self._pools[proxy]

    def _opened(self, proxy: Proxy | None) -> urllib3.PoolManager:
        pool: urllib3.PoolManager
        if proxy is None:
            pool = urllib3.PoolManager(**self._options)
        else:
            shown = {"Proxy-Authorization": proxy.authorization} if proxy.authorization else None
            pool = urllib3.ProxyManager(proxy.url, proxy_headers=shown, **self._options)
        # a proxy may well have a private address: then it is names that are judged
        pool.pool_classes_by_scheme = (
            {"http": _Pool, "https": _SecurePool}
            if proxy is not None or self._allow_private
            else {"http": _PublicPool, "https": _PublicSecurePool}
        )
        return pool


def _refuse_headers(request: Request) -> None:
    """Raise RequestUnusable before `http.client` would, whose error shows the value."""
    for name, value in request.headers.items():
        if not FIT_FOR_A_HEADER.fullmatch(value):
            raise RequestUnusable(
                f"the header {name} cannot be sent: look in the credentials of the destination for "
                "a line break, or for letters that are not English, and set them again"
            )


def _read(answer: urllib3.BaseHTTPResponse) -> bytes:
    parts: list[bytes] = []
    size = 0
    while part := answer.read1(65_536):
        parts.append(part)
        size += len(part)
        if size > LARGEST_ANSWER_BYTES:
            raise HTTPError(f"an answer of more than {LARGEST_ANSWER_BYTES} bytes")
    return b"".join(parts)


_under_way = threading.local()
"""Of the request that this thread sends: `ends_at`, the monotonic instant at which the answer must
have been read, and `has_begun`, whether a byte of it may have left."""


class _Hurried(io.RawIOBase):
    """The bytes of an answer, headers included, until patience ends.

    The time-out of a socket begins anew with every byte; this one does not.
    """

    def __init__(self, peer: socket.socket) -> None:
        self._peer = peer
        self._raw = peer.makefile("rb", buffering=0)
        self._pause_seconds = peer.gettimeout()
        self._ends_at: float = _under_way.ends_at

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._ends_at - time.monotonic()
        if left <= 0:
            raise TimeoutError("an answer that does not end")
        self._peer.settimeout(min(left, self._pause_seconds or left))
        return self._raw.readinto(buffer)  # type: ignore[attr-defined,no-any-return]

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Socket:
    """What `http.client` wants of a socket to read an answer from."""

    def __init__(self, peer: socket.socket) -> None:
        self._peer = peer

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Hurried(self._peer))


def _hurried_answer(peer: socket.socket, *rest: Any, **options: Any) -> HTTPResponse:
    return HTTPResponse(_Socket(peer), *rest, **options)  # type: ignore[arg-type]


class _Honest(HTTPConnection):
    """Connects first, with tunnel and handshake, and only then begins the request."""

    response_class = staticmethod(_hurried_answer)  # type: ignore[assignment]

    def request(self, *rest: Any, **options: Any) -> None:
        if self.is_closed:
            self.connect()
        _under_way.has_begun = True
        super().request(*rest, **options)


class _Connection(_Honest):
    pass


class _SecureConnection(_Honest, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


def _words(error: Exception, request: Request, proxy: Proxy | None) -> str:
    """Name the host and the kind of failure; never the path, which may hold a secret."""
    host = urlsplit(request.url).netloc.rpartition("@")[2]
    if proxy is not None:
        through = f"the proxy {proxy.url}"
        is_refusal = isinstance(error, ProxyError) and not _under_way.has_begun
        host = through if is_refusal else f"{host}, through {through},"
    if isinstance(error, ProxyError):
        error = error.original_error
    if tunnel := TUNNEL_REFUSED.match(str(error)):
        remedy = ": it wants a user and a password" if tunnel[1] == "407" else ""
        return f"{host} opens no tunnel for us (status {tunnel[1]}){remedy}"
    if isinstance(error, SSLError) and isinstance(error.args[0], ssl.SSLCertVerificationError):
        return (
            f"{host} shows a certificate that is not trusted ({error.args[0].verify_message}): "
            f"if your company signs its own, set {BUNDLES[0]} to the file of its authority"
        )
    kind = {
        "NewConnectionError": "refused the connection",
        "NameResolutionError": "has no address",
        "ConnectTimeoutError": "did not take the connection in time",
        "ReadTimeoutError": "did not answer in time",
        "ProtocolError": "closed the connection without an answer",
        "RemoteDisconnected": "closed the connection without an answer",
        "SSLError": "failed the TLS handshake",
    }.get(type(error).__name__, f"broke off ({type(error).__name__})")
    return f"{host} {kind}"


def is_public(address: str) -> bool:
    """Whether an IP address is one that the public internet routes."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour
        if inner is None and ip in NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF)
        ip = inner or ip
    return ip.is_global and not ip.is_multicast


def _refuse_private_name(host: str) -> None:
    # behind a proxy that alone resolves names, one that we cannot resolve is the proxy's to judge
    with suppress(OSError, UnicodeError):
        for *_, (address, *_) in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM):
            if not is_public(str(address)):
                raise _refusal(host, str(address))


def _refuse_private(peer: socket.socket, host: str) -> socket.socket:
    # the address of the socket itself: a name that resolves differently a second time cannot lie
    address = peer.getpeername()[0]
    if is_public(address):
        return peer
    peer.close()
    raise _refusal(host, address)


def _refusal(host: str, address: str) -> AddressRefused:
    return AddressRefused(
        f"{host} resolves to {address}, which is not a public address: "
        "set KAIROS_WEBHOOK_ALLOW_PRIVATE=1 to allow it"
    )


class _PublicConnection(_Connection):
    def _new_conn(self) -> Any:
        return _refuse_private(super()._new_conn(), self.host)


class _PublicSecureConnection(_SecureConnection):
    def _new_conn(self) -> Any:
        return _refuse_private(super()._new_conn(), self.host)


class _PublicPool(HTTPConnectionPool):
    ConnectionCls = _PublicConnection


class _PublicSecurePool(HTTPSConnectionPool):
    ConnectionCls = _PublicSecureConnection

"""HTTP: one request on one real socket, and an honest word about what may have arrived."""

import io
import ipaddress
import socket
import threading
import time
from http.client import HTTPResponse
from typing import Any, Protocol
from urllib.parse import urlsplit

import certifi
import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    LocationParseError,
    NewConnectionError,
    SSLError,
)

from reverse_etl.errors import AddressRefused, NotSent, OutcomeUnknown
from reverse_etl.model import Request, Response

CONNECT_SECONDS = 10.0
READ_SECONDS = 30.0
ANSWER_SECONDS = 120.0
"""However slowly an answer drips in, after this long it counts as none."""
LARGEST_ANSWER_BYTES = 16 * 1024 * 1024
NAT64 = ipaddress.ip_network("64:ff9b::/96")
"""Addresses that stand for IPv4 ones, private ones among them."""


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
        allow_private: bool = True,
        connections: int = 8,
        connect_seconds: float = CONNECT_SECONDS,
        read_seconds: float = READ_SECONDS,
        answer_seconds: float = ANSWER_SECONDS,
        ca_bundle: str | None = None,
    ) -> None:
        """`allow_private` False refuses every address that the public internet cannot reach."""
        self._timeout = urllib3.Timeout(connect=connect_seconds, read=read_seconds)
        self._answer_seconds = answer_seconds
        pool = urllib3.PoolManager(
            num_pools=8,
            maxsize=connections,
            block=False,
            retries=False,
            cert_reqs="CERT_REQUIRED",
            ca_certs=ca_bundle or certifi.where(),
        )
        pool.pool_classes_by_scheme = (
            {"http": _Pool, "https": _SecurePool}
            if allow_private
            else {"http": _PublicPool, "https": _PublicSecurePool}
        )
        self._pool = pool

    def send(self, request: Request) -> Response:
        """Send once and read the whole answer."""
        # read by the connection, in this thread
        _patience.ends_at = time.monotonic() + self._answer_seconds
        try:
            answer = self._pool.urlopen(
                request.method,
                request.url,
                body=request.body,
                headers=dict(request.headers),
                timeout=self._timeout,
                redirect=False,
                preload_content=False,
            )
        except (NewConnectionError, ConnectTimeoutError, LocationParseError) as error:
            raise NotSent(_words(error, request)) from error
        except SSLError as error:
            # the handshake comes before the request; a record that breaks later is rare
            raise NotSent(_words(error, request)) from error
        except (HTTPError, OSError) as error:
            raise OutcomeUnknown(_words(error, request)) from error
        try:
            body = _read(answer)
        except (HTTPError, OSError) as error:
            answer.close()
            raise OutcomeUnknown(_words(error, request)) from error
        answer.release_conn()
        return Response(
            answer.status, {name.lower(): text for name, text in answer.headers.items()}, body
        )

    def close(self) -> None:
        """Close every connection."""
        self._pool.clear()


def _read(answer: urllib3.BaseHTTPResponse) -> bytes:
    parts: list[bytes] = []
    size = 0
    while part := answer.read1(65_536):
        parts.append(part)
        size += len(part)
        if size > LARGEST_ANSWER_BYTES:
            raise HTTPError(f"an answer of more than {LARGEST_ANSWER_BYTES} bytes")
    return b"".join(parts)


_patience = threading.local()
"""When the answer to what this thread has sent must have been read: a monotonic instant."""


class _Hurried(io.RawIOBase):
    """The bytes of an answer, headers included, until patience ends.

    The time-out of a socket begins anew with every byte; this one does not.
    """

    def __init__(self, peer: socket.socket) -> None:
        self._peer = peer
        self._raw = peer.makefile("rb", buffering=0)
        self._pause_seconds = peer.gettimeout()
        self._ends_at: float = _patience.ends_at

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


class _Connection(HTTPConnection):
    response_class = staticmethod(_hurried_answer)  # type: ignore[assignment]


class _SecureConnection(HTTPSConnection):
    response_class = staticmethod(_hurried_answer)  # type: ignore[assignment]


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


def _words(error: Exception, request: Request) -> str:
    """Name the host and the kind of failure; never the path, which may hold a secret."""
    host = urlsplit(request.url).netloc.rpartition("@")[2]
    kind = {
        "NewConnectionError": "refused the connection",
        "NameResolutionError": "has no address",
        "ConnectTimeoutError": "did not take the connection in time",
        "ReadTimeoutError": "did not answer in time",
        "ProtocolError": "closed the connection without an answer",
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


def _refuse_private(peer: socket.socket, host: str) -> socket.socket:
    # the address of the socket itself: a name that resolves differently a second time cannot lie
    address = peer.getpeername()[0]
    if is_public(address):
        return peer
    peer.close()
    raise AddressRefused(
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

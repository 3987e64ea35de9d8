"""What stands between a company and the world: a proxy, and an authority of its own."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
Answer = Callable[[socket.socket, bytes], None]


class Authority:
    """Signs certificates, for a day."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.name = folder, name
        self._key = ec.generate_private_key(ec.SECP256R1())
        issuer = x509.BasicConstraints(ca=True, path_length=0)
        self.bundle = folder / f"{name}.pem"
        self.bundle.write_bytes(self._signed(name, self._key, issuer).public_bytes(Encoding.PEM))

    def context(self, *names: str) -> ssl.SSLContext:
        """What a server of these names and of 127.0.0.1 needs."""
        key = ec.generate_private_key(ec.SECP256R1())
        hosts: list[x509.GeneralName] = [x509.DNSName(name) for name in names]
        hosts.append(x509.IPAddress(ip_address("127.0.0.1")))
        certificate = self._signed(f"{self.name}-server", key, x509.SubjectAlternativeName(hosts))
        chain = self.folder / f"{self.name}-server.pem"
        chain.write_bytes(
            certificate.public_bytes(Encoding.PEM)
            + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain)
        return context

    def _signed(
        self, name: str, key: ec.EllipticCurvePrivateKey, extension: x509.ExtensionType
    ) -> x509.Certificate:
        def called(name: str) -> x509.Name:
            return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])

        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(called(name))
            .issuer_name(called(self.name))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(extension, critical=False)
            .sign(self._key, hashes.SHA256())
        )


@contextmanager
def listening(
    serve: Callable[[socket.socket], None], context: ssl.SSLContext | None = None
) -> Iterator[int]:
    """Serve each connection to a port of loopback in a thread of its own."""

    def attend(peer: socket.socket) -> None:
        with suppress(OSError), ExitStack() as stack:
            stack.enter_context(peer)
            if context is not None:
                peer = stack.enter_context(context.wrap_socket(peer, server_side=True))
            serve(peer)

    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            while True:
                try:
                    peer, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=attend, args=(peer,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def heard(peer: socket.socket) -> bytes:
    """Read one request whose body, if any, is `{}`."""
    data = b""
    while part := peer.recv(65_536):
        data += part
        head, end, body = data.partition(b"\r\n\r\n")
        if end and (body or b"Content-Length: 2" not in head):
            break
    return data


@contextmanager
def origin(
    context: ssl.SSLContext | None = None, answer: bytes = OK
) -> Iterator[tuple[int, list[bytes]]]:
    """A server of the world; it keeps connections, and notes what it was asked."""
    requests: list[bytes] = []

    def serve(peer: socket.socket) -> None:
        while request := heard(peer):
            requests.append(request)
            if not answer:
                return
            peer.sendall(answer)

    with listening(serve, context) as port:
        yield port, requests


@dataclass
class ForwardProxy:
    """Leads every name to one port of loopback, as if that were the world."""

    origin_port: int
    credentials: str | None = None
    """The Authorization that it wants."""
    answer: bytes | None = None
    """What it says in place of the world."""
    requests: list[bytes] = field(default_factory=list)
    port: int = 0

    @contextmanager
    def running(self, context: ssl.SSLContext | None = None) -> Iterator["ForwardProxy"]:
        with listening(self._serve, context) as self.port:
            yield self

    def _serve(self, peer: socket.socket) -> None:
        request = heard(peer)
        self.requests.append(request)
        if self.answer is not None:
            peer.sendall(self.answer)
            return
        if self.credentials and f"Proxy-Authorization: {self.credentials}".encode() not in request:
            peer.sendall(b"HTTP/1.1 407 Who are you\r\nContent-Length: 0\r\n\r\n")
            return
        with socket.create_connection(("127.0.0.1", self.origin_port)) as world:
            if request.startswith(b"CONNECT "):
                peer.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
            else:
                world.sendall(request)
            back = threading.Thread(target=_copy, args=(world, peer), daemon=True)
            back.start()
            _copy(peer, world)
            back.join()


def _copy(source: Any, target: Any) -> None:
    with suppress(OSError):
        while part := source.recv(65_536):
            target.sendall(part)
    with suppress(OSError):
        target.shutdown(socket.SHUT_RDWR)

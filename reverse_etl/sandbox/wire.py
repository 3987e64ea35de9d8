"""HTTP/1.1 on a socket: read one request, write one answer, nothing in between.

The stand-ins must fail as networks fail (reset, silence, half an answer), so they hold the socket
themselves; reading by hand also leaves the time to the sender that is measured.
"""

import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from http import HTTPStatus
from typing import Any, BinaryIO
from urllib.parse import parse_qsl

MAX_LINE_BYTES = 65_536
MAX_BODY_BYTES = 64 * 1024 * 1024


class BadRequest(Exception):
    """What came is not HTTP; the connection cannot be used any further."""


@dataclass(frozen=True)
class Request:
    """One request; header names are lower case, the path is as sent."""

    method: str
    path: str
    query_text: str
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    wants_close: bool = False

    @cached_property
    def query(self) -> dict[str, str]:
        """The query's parameters; of a repeated one the last."""
        return dict(parse_qsl(self.query_text, keep_blank_values=True))

    @cached_property
    def content(self) -> bytes:
        """The body without its content coding; BadRequest where gzip is announced and absent."""
        if self.headers.get("content-encoding") != "gzip":
            return self.body
        try:
            return gzip.decompress(self.body)
        except (OSError, EOFError) as error:
            raise BadRequest("the body is not gzip") from error

    def json(self) -> Any:
        """Parse the body; ValueError where it is not JSON."""
        return json.loads(self.content)


@dataclass(frozen=True)
class Response:
    """One answer. `body` is JSON, or text, or None for an empty one."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def encode(self) -> bytes:
        """Give the bytes of the answer."""
        if self.body is None:
            content, content_type = b"", None
        elif isinstance(self.body, str):
            content, content_type = self.body.encode(), "text/plain; charset=utf-8"
        else:
            content, content_type = json.dumps(self.body).encode(), "application/json"
        headers = {"Content-Type": content_type} if content_type else {}
        headers |= self.headers
        if self.status != HTTPStatus.NO_CONTENT:
            headers["Content-Length"] = str(len(content))
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head = f"HTTP/1.1 {self.status} {reason(self.status)}\r\n{lines}\r\n"
        return head.encode("latin-1") + content


def reason(status: int) -> str:
    """Give the phrase of a status."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


def read_request(reader: BinaryIO, writer: BinaryIO) -> Request | None:
    """Read the next request of a connection; None when the other side has closed it."""
    line = reader.readline(MAX_LINE_BYTES)
    if not line:
        return None
    parts = line.decode("latin-1").split()
    if len(parts) != 3 or not parts[2].startswith("HTTP/1."):
        raise BadRequest("the first line is no request line")
    method, target, version = parts
    headers = _read_headers(reader)
    if headers.get("expect", "").lower() == "100-continue":
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        writer.flush()
    path, _, query_text = target.partition("?")
    connection = headers.get("connection", "").lower()
    return Request(
        method=method,
        path=path,
        query_text=query_text,
        headers=headers,
        body=_read_body(reader, headers),
        wants_close=connection == "close" or (version == "HTTP/1.0" and connection != "keep-alive"),
    )


def _read_headers(reader: BinaryIO) -> dict[str, str]:
    headers: dict[str, str] = {}
    for _ in range(200):
        line = reader.readline(MAX_LINE_BYTES)
        if line in (b"\r\n", b"\n"):
            return headers
        name, colon, value = line.decode("latin-1").partition(":")
        if not colon:
            break
        headers[name.strip().lower()] = value.strip()
    raise BadRequest("the headers do not end")


def _read_body(reader: BinaryIO, headers: Mapping[str, str]) -> bytes:
    if headers.get("transfer-encoding", "").lower() == "chunked":
        return b"".join(_read_chunks(reader))
    return _read_exactly(reader, _length(headers.get("content-length", "0"), 10))


def _read_chunks(reader: BinaryIO) -> list[bytes]:
    chunks, total = [], 0
    while size := _length(reader.readline(MAX_LINE_BYTES).decode("latin-1").split(";")[0], 16):
        total += size
        if total > MAX_BODY_BYTES:
            raise BadRequest("the body is too large")
        chunks.append(_read_exactly(reader, size))
        reader.readline(MAX_LINE_BYTES)
    while reader.readline(MAX_LINE_BYTES) not in (b"\r\n", b"\n", b""):
        pass
    return chunks


def _length(text: str, base: int) -> int:
    try:
        length = int(text, base)
    except ValueError:
        raise BadRequest("a length is no number") from None
    if not 0 <= length <= MAX_BODY_BYTES:
        raise BadRequest("the body is too large")
    return length


def _read_exactly(reader: BinaryIO, size: int) -> bytes:
    body = reader.read(size)
    if len(body) < size:
        raise BadRequest("the body is cut short")
    return body

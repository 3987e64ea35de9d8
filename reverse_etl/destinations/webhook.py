"""A signed webhook: Zapier, Make, or anything that takes a POST."""

import hashlib
import hmac
import json
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

from reverse_etl.destinations.base import (
    Capabilities,
    Dedupe,
    Destination,
    address,
    batches,
    flag,
    positive_number,
    setting,
    whole_number,
)
from reverse_etl.dispatch.rate import RateLimit
from reverse_etl.dispatch.transport import HttpTransport, Transport
from reverse_etl.model import Kind, Operation, Request

ENVELOPE = b'{"format":"kairos/1","operations":[%s]}'


@dataclass(frozen=True, kw_only=True)
class Webhook(Destination):
    """Posts batches; the receiver checks `Kairos-Signature` and drops keys that it knows.

    `Kairos-Signature: t=<epoch seconds>,v1=<hex>`, where v1 is the HMAC-SHA256 of
    `<t>.<raw body>` under the shared secret.
    """

    name: ClassVar[str] = "webhook"

    # the URL of a catch hook is all that protects it
    url: str = setting(secret=True, parse=address)
    secret: str = setting(secret=True)
    base_url: str | None = setting(None, parse=address)
    batch_count: int = setting(100, parse=whole_number)
    requests_per_second: float = setting(20.0, parse=positive_number)
    allow_private: bool = setting(False, parse=flag)

    @cached_property
    def capabilities(self) -> Capabilities:
        """The receiver has our key in header and body: it can tell a repetition."""
        return Capabilities(
            dedupe={kind: Dedupe.KEY for kind in Kind},
            batch_count=self.batch_count,
            batch_bytes=4_000_000,
            rate_limits={"default": RateLimit(self.requests_per_second)},
        )

    def batch_key(self, operation: Operation) -> str:
        """Everything can travel together: each row says what it is."""
        return "any"

    def requests(self, operations: Sequence[Operation]) -> Iterable[Request]:
        """One request per batch; its idempotency key is made of those of its rows."""
        limits = self.capabilities
        for batch in batches(
            ((operation, _row(operation)) for operation in operations),
            count=limits.batch_count,
            size_bytes=limits.batch_bytes,
            size=len,
            overhead_bytes=len(ENVELOPE),
        ):
            rows = b",".join(row for _, row in batch)
            operations = tuple(operation for operation, _ in batch)
            keys = [operation.idempotency_key for operation in operations]
            yield self._request(rows, operations, keys)

    def prepare(self, request: Request, timestamp: int) -> Request:
        """Sign the exact bytes that are sent, with the second in which they are sent."""
        signed = b"%d.%s" % (timestamp, request.body)
        digest = hmac.new(self.secret.encode(), signed, hashlib.sha256).hexdigest()
        headers = {**request.headers, "Kairos-Signature": f"t={timestamp},v1={digest}"}
        return replace(request, headers=headers)

    def erasure(self, user_key: str) -> Sequence[Request]:
        """Ask the receiver to forget the user, under a new key: it may be asked more than once."""
        key = uuid.uuid4().hex
        row = {
            "idempotency_key": key,
            "kind": "erasure",
            "operation": "erase",
            "object_key": "person",
            "user_id": user_key,
            "decided_at": None,
            "payload": {},
        }
        return (self._request(_dumped(row), (), [key]),)

    def probe(self) -> Request:
        """A batch of nothing, which a receiver acknowledges."""
        return self._request(b"", (), [])

    def transport(self) -> Transport:
        """Refuse addresses inside our own network, unless they are allowed."""
        return HttpTransport(
            network=self.network,
            allow_private=self.allow_private,
            connections=self.capabilities.concurrency,
        )

    def _request(
        self, rows: bytes, operations: tuple[Operation, ...], row_keys: Sequence[str]
    ) -> Request:
        keys = "\n".join(row_keys)
        key = keys if len(row_keys) == 1 else hashlib.sha256(keys.encode()).hexdigest()
        return Request(
            operations=operations,
            url=self.base_url or self.url,
            body=ENVELOPE % rows,
            headers={"Content-Type": "application/json", "Idempotency-Key": key},
        )


def _row(operation: Operation) -> bytes:
    row: dict[str, Any] = {
        "idempotency_key": operation.idempotency_key,
        "kind": operation.kind,
        "operation": operation.operation,
        "object_key": operation.object_key,
        "user_id": operation.user_key,
        "decided_at": operation.decided_at and operation.decided_at.isoformat(),
        "payload": operation.payload,
    }
    return _dumped(row)


def _dumped(row: dict[str, Any]) -> bytes:
    return _COMPACT.encode(row).encode()


# made once: `json.dumps` would make one for every row
_COMPACT = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))

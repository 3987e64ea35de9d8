"""What the HTTP vendors have in common: hosts by region, rows in an envelope, rows by position."""

import base64
import hashlib
import json
from abc import abstractmethod
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import quote

from reverse_etl.destinations.base import Destination, Lookup, address, batches, setting
from reverse_etl.errors import NotConfigured
from reverse_etl.model import Kind, Operation, Request, Response, Result, State

JSON = "application/json"
VERBS = frozenset({"add", "remove"})
WORST_ESCAPE_BYTES = 6
ENVELOPE_BYTES = 1000

Group = tuple[tuple[Operation, ...], bytes]
"""Operations that travel together, and the body that carries them."""


@dataclass(frozen=True, kw_only=True)
class Vendor(Destination):
    """A destination that is reached over HTTP, at a host that depends on its region."""

    regions: ClassVar[Mapping[str, str]]
    audience_form: ClassVar[str] = "segment {!r}"
    """What an audience is called there, and how its id is written."""
    audience_map: ClassVar[str | None] = None
    """The setting that maps our audience keys to its ids, where audiences have to exist."""

    region: str | None = setting("us", parse=str.lower)
    base_url: str | None = setting(None, parse=address)

    def __post_init__(self) -> None:
        """Refuse a region that nobody has heard of, before anything is sent to the wrong one."""
        is_known = self.region in self.regions
        if not is_known and (self.base_url is None or self.region is not None):
            # without the value: it may be a secret under the wrong name
            raise NotConfigured(
                f"destination {self.name} knows no such region: "
                f"set KAIROS_{self.name.upper()}_REGION to one of {', '.join(self.regions)}"
            )

    @abstractmethod
    def headers(self) -> Mapping[str, str]:
        """Give the headers that carry the credentials."""

    def host(self, regions: Mapping[str, str], url: str | None) -> str:
        """Give the address of one of the vendor's services in this region."""
        return (url or regions[self.region or ""]).rstrip("/")

    def check(self, operation: Operation) -> str | None:
        """Refuse what no vendor takes."""
        if not operation.user_key:
            return "the user key is empty"
        if operation.kind == Kind.AUDIENCE and operation.operation not in VERBS:
            return f"a membership cannot {operation.operation}"
        return super().check(operation)

    def batch_key(self, operation: Operation) -> Hashable:
        """Memberships travel by audience and verb, everything else by kind."""
        if operation.kind == Kind.AUDIENCE:
            return super().batch_key(operation)
        return operation.kind

    def results(self, request: Request, response: Response) -> Sequence[Result] | None:
        """A 2xx takes all of it, unless a page of some proxy answers instead of the vendor."""
        if response.body.lstrip().startswith(b"<"):
            raise ValueError("a page instead of an answer")
        return None

    def absence(self, audience: str) -> str | None:
        """Say that there is no such audience (our key), and what to do; None where any one is."""
        if self.audience_map is None:
            return None
        what = self.audience_form.format(getattr(self, self.audience_map).get(audience, audience))
        variable = f"KAIROS_{self.name}_{self.audience_map}".upper()
        return f"has no {what}: make it there, or name its id in {variable}={audience}=ID"

    def lookup(self, request: Request, audience: str) -> Lookup:
        """Ask for one audience by itself: the vendor says 404 where there is none."""
        return Lookup(Kind.AUDIENCE, request, (audience,), absent=self.absence(audience))

    def request(
        self,
        path: str,
        body: bytes | None = None,
        operations: tuple[Operation, ...] = (),
        *,
        method: str = "POST",
        headers: Mapping[str, str] | None = None,
        host: str | None = None,
        endpoint_class: str = "default",
        serial_key: str | None = None,
        cost: int = 1,
    ) -> Request:
        """Build a request to `path` below the host, with the credentials."""
        return Request(
            operations=operations,
            method=method,
            url=f"{host or self.host(self.regions, self.base_url)}/{path}",
            headers={"Content-Type": JSON, **(self.headers() if headers is None else headers)},
            body=body,
            endpoint_class=endpoint_class,
            serial_key=serial_key,
            cost=cost,
        )


def quoted(text: str) -> str:
    """Make one segment of a path of any text; one of dots alone would lead to another path."""
    return quote(text, safe="") if text.strip(".") else text.replace(".", "%2E")


def basic(user: str, password: str = "") -> str:
    """Give the value of an Authorization header for Basic credentials."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def dumped(value: Any) -> bytes:
    """Write compact JSON."""
    return _COMPACT.encode(value).encode()


# made once: `json.dumps` would make one for every row
_COMPACT = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def milliseconds(operation: Operation) -> int:
    """Epoch milliseconds of a moment: the same each time it is sent, so that vendors know it."""
    return round((operation.decided_at or operation.planned_at).timestamp() * 1000)


def seconds(operation: Operation) -> int:
    """Epoch seconds of a moment."""
    return milliseconds(operation) // 1000


def iso(operation: Operation) -> str:
    """The instant of a moment in ISO 8601."""
    return (operation.decided_at or operation.planned_at).isoformat()


def properties(operation: Operation) -> dict[str, Any]:
    """What a moment carries: context of the event, content, and the key of this operation."""
    return {
        **operation.payload,
        "content_key": operation.object_key,
        "idempotency_key": operation.idempotency_key,
    }


def short_key(operation: Operation, most: int) -> str:
    """Our idempotency key within `most` letters, digits and dashes, and as unique."""
    key = operation.idempotency_key
    if len(key) <= most and key.isascii() and key.replace("-", "").isalnum():
        return key
    return hashlib.sha256(key.encode()).hexdigest()[:most]


def packed(
    rows: Iterable[tuple[Operation, Any]],
    before: str,
    after: str,
    *,
    count: int,
    size_bytes: int,
) -> Iterator[Group]:
    """Group rows, in order, into bodies `before` row, row, ... `after` within both limits.

    A row that is bytes already is taken as it is.
    """
    start, end = before.encode(), after.encode()
    for batch in batches(
        ((o, row if isinstance(row, bytes) else dumped(row)) for o, row in rows),
        count=count,
        size_bytes=size_bytes,
        size=len,
        overhead_bytes=len(start) + len(end),
    ):
        operations = tuple(operation for operation, _ in batch)
        yield operations, start + b",".join(row for _, row in batch) + end


def by_audience(
    operations: Sequence[Operation],
) -> Iterator[tuple[str, str, list[tuple[Operation, str]]]]:
    """Give each audience and verb with its operations and their user keys."""
    groups: dict[tuple[str, str], list[tuple[Operation, str]]] = {}
    for operation in operations:
        if operation.kind == Kind.AUDIENCE:
            group = groups.setdefault((operation.object_key, operation.operation), [])
            group.append((operation, operation.user_key))
    for (audience, verb), group in groups.items():
        yield audience, verb, group


def of_kind(operations: Sequence[Operation], kind: Kind) -> list[Operation]:
    """Give the operations of one kind."""
    return [operation for operation in operations if operation.kind == kind]


def too_large(operation: Operation, row: Callable[[Operation], Any], most_bytes: int) -> str | None:
    """Say that one row is larger than the vendor takes; measured only where that is possible."""
    letters = len(operation.payload_text) + len(operation.user_key) + len(operation.object_key)
    if letters * WORST_ESCAPE_BYTES + ENVELOPE_BYTES <= most_bytes:
        return None
    size = len(dumped(row(operation)))
    return f"it has {size} bytes, more than {most_bytes}" if size > most_bytes else None


def outcomes(
    request: Request,
    response: Response,
    failures: Mapping[int, tuple[str, str]],
    *,
    others: State = State.ACCEPTED,
) -> list[Result]:
    """Give one result per row: rejected where `failures` names its position, else `others`."""
    if any(not 0 <= position < len(request.operations) for position in failures):
        raise ValueError("the answer names a row that was not sent")
    taken = Result(others, response.status)
    return [
        Result(State.REJECTED, response.status, *failures[position])
        if position in failures
        else taken
        for position in range(len(request.operations))
    ]

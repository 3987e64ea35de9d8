"""What a destination is: settings, capabilities, requests, and how to read an answer."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields
from enum import StrEnum
from functools import cached_property
from math import isfinite
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar
from urllib.parse import urlsplit

from reverse_etl.dispatch.network import Network
from reverse_etl.dispatch.rate import RateLimit
from reverse_etl.dispatch.transport import HttpTransport, Transport
from reverse_etl.errors import NotConfigured
from reverse_etl.model import Kind, Operation, Request, Response, Result

Piece = TypeVar("Piece")


class Dedupe(StrEnum):
    """What happens when the same operation arrives twice."""

    KEY = "key"
    """The vendor knows our idempotency key and drops the second."""
    SET = "set"
    """The operation sets something: the second changes nothing."""
    NONE = "none"
    """The vendor cannot tell: it would happen twice."""


class InDoubt(StrEnum):
    """What to do with an operation that perhaps arrived, where the vendor cannot tell.

    It is declared as `unknown_policy` in `seeds/destinations.csv`, and nowhere else.
    """

    RESEND = "resend"
    SKIP = "skip"


@dataclass(frozen=True)
class FieldNames:
    """What a vendor takes as the name of an attribute, as far as its documents say."""

    most_bytes: int | None = None
    forbidden: str = ""
    """Characters that it must not have."""
    reserved: frozenset[str] = frozenset()
    """Names that mean something else in the same place."""

    def fault(self, name: str) -> str | None:
        """Say what is wrong with a name, or None."""
        if not name.strip() or name != name.strip() or not name.isprintable():
            return "is empty, or has spaces around it or signs that nobody sees"
        if self.most_bytes is not None and len(name.encode()) > self.most_bytes:
            return f"has more than {self.most_bytes} bytes"
        if wrong := sorted(set(name) & set(self.forbidden)):
            return f"must not have {' or '.join(wrong)}"
        return "means something else there" if name in self.reserved else None


@dataclass(frozen=True)
class Lookup:
    """A question that changes nothing: whether the vendor knows what the mapping names."""

    kind: Kind
    """What is asked about: audiences, or the fields of profiles."""
    request: Request
    names: tuple[str, ...]
    """Our names of it: audience keys, or destination fields."""
    absent: str | None = None
    """What 404 says, where the request is for one thing alone."""
    faults: Callable[[Any], Mapping[str, str]] = field(default=lambda answer: {})
    """Reads the JSON of a success: what is wrong, and what to do, by our name."""
    is_needed: bool = True
    """Whether rows are refused where it is missing; else it is made, or may be hidden from us."""


class Verdict(StrEnum):
    """What an answer means for the whole request."""

    READ = "read"
    """The body says what became of the rows."""
    RETRY = "retry"
    """Not now: nothing was done."""
    UNCERTAIN = "uncertain"
    """The destination broke while it worked: perhaps something was done."""
    REFUSED = "refused"
    """Something in the request is wrong for good: halve it until the bad row stands alone."""
    NO_TARGET = "no_target"
    """What the URL names does not exist: every row is refused, and no half would do better."""
    TOO_LARGE = "too_large"
    MISCONFIGURED = "misconfigured"
    """Wrong credentials or rights: stop, and burn no row."""
    GONE = "gone"
    """The target does not exist any more: stop."""


@dataclass(frozen=True)
class Capabilities:
    """What a destination can do, and how much of it at a time."""

    dedupe: Mapping[Kind, Dedupe]
    """The kinds that it takes, and for each whether a repetition shows."""
    batch_count: int = 1
    batch_bytes: int = 1_000_000
    rate_limits: Mapping[str, RateLimit] = field(default_factory=dict)
    """Per endpoint class; one that is missing is paced only by what the answers ask for."""
    pauses: Mapping[str, float] = field(default_factory=dict)
    """Per endpoint class: seconds of silence that a 429 without a header means."""
    concurrency: int = 4
    row_statuses: frozenset[int] = frozenset()
    """Statuses other than 2xx whose body names the rows that failed."""
    busy_statuses: frozenset[int] = frozenset()
    """Statuses by which this vendor says that it is busy, where others mean a refusal."""
    key_seconds: float | None = None
    """How long the vendor knows an idempotency key, where that is not for ever."""
    moment_seconds: float | None = None
    """How old a moment may be; the vendor takes an older one, and nothing comes of it."""
    settle_seconds: float = 0.0
    """How long after a change of somebody's profile nothing may be sent that depends on it."""


def setting(
    default: Any = MISSING, *, secret: bool = False, parse: Callable[[str], Any] = str
) -> Any:
    """Declare a setting. A secret stays out of repr and may come from a file."""
    metadata = {"secret": secret, "parse": parse}
    if default is MISSING:
        return field(repr=not secret, metadata=metadata)
    if callable(default):
        return field(default_factory=default, repr=not secret, metadata=metadata)
    return field(default=default, repr=not secret, metadata=metadata)


class Unusable(ValueError):
    """A value that a setting cannot take: says what it takes, never what was given."""


def pairs(text: str) -> dict[str, str]:
    """Read `name=value,name=value`, the form in which settings map our keys to the vendor's.

    Unusable where a name has no value.
    """
    entries = [entry.partition("=") for entry in text.split(",") if entry.strip()]
    found = {name.strip(): value.strip() for name, _, value in entries}
    if not all(name and value for name, value in found.items()):
        raise Unusable("write it as name=value,name=value")
    return found


def flag(text: str) -> bool:
    """Read 1, true or yes; 0, false or no; Unusable for anything else."""
    words = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
    if text.lower() not in words:
        raise Unusable("set it to 1 or 0")
    return words[text.lower()]


def one_of(*choices: str) -> Callable[[str], str]:
    """Make a parser that takes these words only, and is Unusable for anything else."""

    def parse(text: str) -> str:
        if text.lower() not in choices:
            raise Unusable(f"set it to one of {', '.join(choices)}")
        return text.lower()

    return parse


def whole_number(text: str) -> int:
    """Read a whole number from 1 on; Unusable for anything else."""
    if not (text.isascii() and text.isdigit() and int(text)):
        raise Unusable("set it to a whole number from 1 on")
    return int(text)


def positive_number(text: str) -> float:
    """Read a number above 0; Unusable for anything else."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not (isfinite(number) and number > 0):
        raise Unusable("set it to a number above 0")
    return number


def address(text: str) -> str:
    """Take the address of a service; Unusable where it is none, or carries credentials."""
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or parts.scheme not in ("http", "https") or "@" in parts.netloc:
        raise Unusable("write it as https://host, without user and password")
    return text


@dataclass(frozen=True, kw_only=True)
class Destination(ABC):
    """A place to deliver to. It never logs, sleeps, retries, or reads clock or environment."""

    name: ClassVar[str]

    field_names: ClassVar[FieldNames] = FieldNames()

    network: Network = field(default_factory=Network, repr=False)

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Self:
        """Read each setting from `KAIROS_<DESTINATION>_<FIELD>`; name everything that is missing.

        With `_FILE` behind the name of the variable, its value is read from that file. Proxy and
        certificates come from their usual variables.
        """
        values: dict[str, Any] = {"network": Network.from_env(env)}
        missing: list[str] = []
        for declared in cls.settings():
            variable = f"KAIROS_{cls.name}_{declared.name}".upper()
            text = _text(env, variable)
            if text is not None:
                values[declared.name] = _parse(variable, text, declared.metadata)
            elif declared.default is MISSING and declared.default_factory is MISSING:
                missing.append(variable)
        if missing:
            raise NotConfigured(
                f"destination {cls.name} is not configured: set {', '.join(missing)}"
            )
        return cls(**values)

    @classmethod
    def settings(cls) -> list[Field[Any]]:
        """Give the fields that variables set."""
        return [declared for declared in fields(cls) if "parse" in declared.metadata]

    @cached_property
    @abstractmethod
    def capabilities(self) -> Capabilities:
        """What it can do with these settings."""

    @abstractmethod
    def requests(self, operations: Sequence[Operation]) -> Iterable[Request]:
        """Build the requests that deliver `operations`, each operation in exactly one."""

    def results(self, request: Request, response: Response) -> Sequence[Result] | None:
        """Read one result per operation; None where the answer says nothing about rows."""
        return None

    @abstractmethod
    def probe(self) -> Request:
        """Build the cheapest request that shows whether credentials and region are right."""

    def lookups(self, audiences: Sequence[str], names: Sequence[str]) -> Iterable[Lookup]:
        """Ask whether the vendor knows these audiences (our keys) and fields (as it calls them).

        Nothing where no documented request says so.
        """
        return ()

    def absence(self, audience: str) -> str | None:
        """Say that there is no such audience (our key), and what to do; None where any one is."""
        return None

    def knows_target(self, response: Response) -> bool:
        """Whether a 404 is about a row, and not about the audience that the URL names."""
        return False

    def erasure(self, user_key: str) -> Sequence[Request]:
        """Build the requests that make the vendor forget somebody; none where it has no such."""
        return ()

    def check(self, operation: Operation) -> str | None:
        """Give the reason why this operation can never be sent, or None."""
        if operation.kind not in self.capabilities.dedupe:
            return f"{self.name} takes no operation of kind {operation.kind}"
        if operation.payload_text and not operation.payload_text.lstrip().startswith("{"):
            return "its payload is no JSON object"
        return None

    def batch_key(self, operation: Operation) -> Hashable:
        """Operations with the same key can travel in one request."""
        return (operation.kind, operation.object_key, operation.operation)

    def prepare(self, request: Request, timestamp: int) -> Request:
        """Add what depends on the moment of sending, a signature for one (epoch seconds)."""
        return request

    def verdict(self, response: Response) -> Verdict:
        """Say what the status means; the map is the same for every vendor but for its `busy`.

        503 says that nothing was done, and is believed; other 5xx leave it open.
        """
        status = response.status
        if 200 <= status < 300:
            return Verdict.READ
        if status in self.capabilities.busy_statuses or status in (408, 425, 429, 503):
            return Verdict.RETRY
        if status in (401, 403, 407):
            return Verdict.MISCONFIGURED
        if status == 410:
            return Verdict.GONE
        if status == 413:
            return Verdict.TOO_LARGE
        if status in (404, 405):
            return Verdict.NO_TARGET
        if status in (501, 505) or status < 500:
            # a redirect too: following it could carry secrets to another host
            return Verdict.REFUSED
        return Verdict.UNCERTAIN

    def transport(self) -> Transport:
        """Open what carries the requests."""
        return HttpTransport(network=self.network, connections=self.capabilities.concurrency)

    def secrets(self) -> tuple[str, ...]:
        """Everything that must never be seen in a message, in none of its forms."""
        own = (
            str(value)
            for declared in self.settings()
            if declared.metadata.get("secret") and (value := getattr(self, declared.name))
        )
        return (*own, *self.network.secrets())

    def can_tell(self, operation: Operation, age_seconds: float = 0.0) -> bool:
        """Whether what perhaps arrived happens once all the same when it is sent again.

        `age_seconds` is how long ago it perhaps did: no vendor knows a key for longer than it says.
        """
        dedupe = self.capabilities.dedupe.get(operation.kind)
        is_known = age_seconds < (self.capabilities.key_seconds or float("inf"))
        return dedupe is Dedupe.SET or (dedupe is Dedupe.KEY and is_known)


def batches(
    pieces: Iterable[tuple[Operation, Piece]],
    *,
    count: int,
    size_bytes: int,
    size: Callable[[Piece], int],
    overhead_bytes: int = 0,
) -> Iterator[list[tuple[Operation, Piece]]]:
    """Group pieces in order, each group within both limits; a piece that is too large goes alone.

    `overhead_bytes` is what the envelope of a request costs; one more byte per piece is its comma.
    """
    batch: list[tuple[Operation, Piece]] = []
    total = overhead_bytes
    for operation, piece in pieces:
        cost = size(piece) + 1
        if batch and (len(batch) >= count or total + cost > size_bytes):
            yield batch
            batch, total = [], overhead_bytes
        batch.append((operation, piece))
        total += cost
    if batch:
        yield batch


def _text(env: Mapping[str, str], variable: str) -> str | None:
    # what is pasted or mounted often ends with a line break, which no header could carry
    if text := env.get(variable, "").strip():
        return text
    path = env.get(f"{variable}_FILE")
    if not path:
        return None
    try:
        return Path(path).read_text().strip() or None
    except OSError as error:
        raise NotConfigured(
            f"{variable}_FILE names {path}, which cannot be read ({error.strerror}): "
            "mount the secret or correct the path"
        ) from error


def _parse(variable: str, text: str, metadata: Mapping[str, Any]) -> Any:
    try:
        return metadata["parse"](text)
    except ValueError as error:
        # without the value, its cause too: it may be a secret under the wrong name
        remedy = str(error) if isinstance(error, Unusable) else "correct it"
        raise NotConfigured(f"{variable} has a value that cannot be used: {remedy}") from None

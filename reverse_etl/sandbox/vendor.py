"""What every stand-in shares: routes, refusals, limits, and the witness of what took effect."""

import base64
import json
import re
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any, ClassVar
from urllib.parse import unquote

from reverse_etl.sandbox.faults import Fault, Faults
from reverse_etl.sandbox.limits import Limit
from reverse_etl.sandbox.shape import Check
from reverse_etl.sandbox.wire import BadRequest, Request, Response
from reverse_etl.sandbox.witness import Witness

KEY_FIELDS = ("kairos_idempotency_key", "idempotency_key")
"""The attributes in which a message of ours carries its key, whatever else the vendor calls it."""

EDIT_SECONDS = 0.003


class Refusal(Exception):
    """The vendor refuses a request; each vendor says so in its own form."""

    def __init__(self, status: int, message: str, code: str = "", **details: Any):
        """Refuse with a status, a sentence, and the vendor's code where it has one."""
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.details = details


Handler = Callable[..., Response]
AudienceOf = Callable[[Request, Mapping[str, str]], str | None]
"""Names the audience that a request edits, from its body and the arguments of its path."""


@dataclass(frozen=True)
class Route:
    """A method, the form of a path, and the class whose limit it counts against.

    With `alone`, two requests that edit the same audience at the same time are one too many.
    """

    method: str
    template: str
    limit_class: str = "default"
    alone: AudienceOf | None = None


def route(
    method: str, template: str, limit_class: str = "default", alone: AudienceOf | None = None
) -> Callable[[Handler], Handler]:
    """Mark a method of a vendor as the answer to requests of this form.

    `{name}` in the template is one segment of the path and becomes an argument of the method.
    """

    def mark(handler: Handler) -> Handler:
        marked = Route(method, template, limit_class, alone)
        handler.routes = [*getattr(handler, "routes", []), marked]  # type: ignore[attr-defined]
        return handler

    return mark


class Vendor:
    """A stand-in for one vendor's HTTP interface, speaking its documents and keeping its state."""

    name: ClassVar[str]
    limits: ClassVar[Mapping[str, tuple[int, float]]] = {}
    """Requests and seconds per class of endpoint; a class that is not named has no limit."""
    busy_status: ClassVar[int] = 409
    """What a vendor answers when two requests edit one audience at the same time."""

    def __init__(self, faults: Faults):
        """Begin with nothing; `faults` says which rows are to be refused."""
        self.faults = faults
        self.lock = threading.RLock()
        self.routes = _routes_of(self)
        self.remember: Callable[[str, list[tuple[str, tuple[Any, ...]]]], None] = _forget
        """Is told every change of the witness before its request is answered."""
        self.named: Callable[[], Collection[str]] | None = None
        """Gives the audiences that exist from the beginning; None: whichever is asked for."""
        self.reset()

    def reset(self) -> None:
        """Forget everything, and go back to the documented limits."""
        self.witness = Witness()
        self.busy: set[str] = set()
        self.limit = {name: Limit(*value) for name, value in self.limits.items()}

    # what a vendor defines

    def environment(self, base_url: str) -> dict[str, str]:
        """Give the variables that point the destination at this stand-in."""
        raise NotImplementedError

    def authorize(self, request: Request) -> None:
        """Refuse a request that does not carry this stand-in's credentials."""
        raise NotImplementedError

    def refuse(self, refusal: Refusal) -> Response:
        """Say a refusal as the vendor says it."""
        return Response(refusal.status, {"message": refusal.message})

    def limit_headers(self, limit: Limit) -> dict[str, str]:
        """Give the headers by which the vendor tells how much of a limit is left."""
        return {}

    def retry_headers(self, limit: Limit, seconds: float) -> dict[str, str]:
        """Give the headers by which the vendor says when to come again."""
        return {"Retry-After": str(max(1, round(seconds)))}

    # what every vendor does

    def handle(self, request: Request, path: str) -> Response:
        """Answer a request: find its route, check the limit, the credentials and the body."""
        headers: dict[str, str] = {}
        try:
            known, handler, arguments = self._find(request.method, path)
            with self.lock:
                limit = self.limit.get(known.limit_class)
                if limit is not None:
                    if not limit.take(time.time()):
                        return self.too_many(limit, limit.resets_at - time.time())
                    headers = self.limit_headers(limit)
            self.authorize(request)
            with self._alone(known, request, arguments), self.lock:
                try:
                    response = handler(request, **arguments)
                finally:
                    self._remember()
        except (Refusal, BadRequest) as error:
            refusal = error if isinstance(error, Refusal) else Refusal(400, str(error))
            response = self.refuse(refusal)
        return Response(response.status, response.body, {**headers, **response.headers})

    @contextmanager
    def _alone(
        self, known: Route, request: Request, arguments: Mapping[str, str]
    ) -> Iterator[None]:
        audience = known.alone(request, arguments) if known.alone else None
        if audience is None:
            yield
            return
        with self.lock:
            if audience in self.busy:
                raise Refusal(self.busy_status, "another operation is running on it", "conflict")
            self.busy.add(audience)
        try:
            # an edit takes a moment: without it, nobody would ever be caught in the middle
            time.sleep(EDIT_SECONDS)
            yield
        finally:
            with self.lock:
                self.busy.discard(audience)

    def too_many(self, limit: Limit, seconds: float, form: str = "vendor") -> Response:
        """Answer 429, in the vendor's header form or in another."""
        refusal = self.refuse(Refusal(429, "rate limit exceeded", "RateLimitExceeded"))
        headers = {
            "vendor": {**self.limit_headers(limit), **self.retry_headers(limit, seconds)},
            "seconds": {"Retry-After": f"{seconds:.0f}"},
            "date": {"Retry-After": formatdate(time.time() + seconds, usegmt=True)},
            "none": {},
        }[form]
        return Response(429, refusal.body, {**refusal.headers, **headers})

    def limited_by(self, fault: Fault) -> Response:
        """Answer the 429 that a fault asks for."""
        seconds = 1.0 if fault.seconds is None else fault.seconds
        now = time.time()
        # one window that ends when the wait is over, whatever the vendor's own windows
        limit = Limit(requests=1, seconds=now + seconds, window=0, used=1)
        return self.too_many(limit, seconds, fault.retry_after)

    def state(self, is_detailed: bool = True) -> dict[str, Any]:
        """Give what this stand-in holds: everything, or the numbers alone."""
        with self.lock:
            counts = self.witness.counts()
            counts["limits"] = {name: limit.counts() for name, limit in self.limit.items()}
            return {**counts, **self.witness.dump()} if is_detailed else counts

    def dump(self) -> dict[str, Any]:
        """Give what must outlast a restart, as JSON can hold it."""
        with self.lock:
            return {"witness": self.witness.dump()}

    def load(self, document: dict[str, Any]) -> None:
        """Take up what `dump` gave."""
        with self.lock:
            self.witness = Witness.load(document["witness"])

    def audiences(self) -> set[str] | None:
        """Give the audiences that exist, made by somebody or named; None where any one does."""
        return None if self.named is None else {*self.named(), *self.witness.members}

    def create_audience(self, audience: str) -> None:
        """Make an audience without members; one that is there stays as it is."""
        with self.lock:
            if audience not in self.witness.members:
                self.witness.replace(audience, [])
                self._remember()

    def check_audience(self, audience: str) -> None:
        """Refuse an audience that does not exist.

        Where any one does, that is each one whose id begins with `missing`.
        """
        known = self.audiences()
        if audience.startswith("missing") if known is None else audience not in known:
            raise Refusal(404, f"there is no {audience}", "NotFound")

    def is_rejected(self, user: str) -> bool:
        """Say whether a fault asks that the rows of this user be refused."""
        return self.faults.rejects(self.name, user)

    def _remember(self) -> None:
        if changes := self.witness.take_changes():
            self.remember(self.name, changes)

    def _find(self, method: str, path: str) -> tuple[Route, Handler, dict[str, str]]:
        is_path_known = False
        for known, pattern, handler in self.routes:
            if (match := pattern.fullmatch(path)) is not None:
                if known.method == method:
                    # after matching: an encoded slash is part of its segment
                    arguments = {name: unquote(text) for name, text in match.groupdict().items()}
                    return known, handler, arguments
                is_path_known = True
        if is_path_known:
            raise Refusal(405, f"{method} is not allowed here")
        raise Refusal(404, f"there is no {path}")


def _forget(name: str, changes: list[tuple[str, tuple[Any, ...]]]) -> None:
    """Remember nothing."""


def _routes_of(vendor: Vendor) -> list[tuple[Route, re.Pattern[str], Handler]]:
    found = [
        (known, _pattern(known.template), getattr(vendor, name))
        for name in dir(type(vendor))
        for known in getattr(getattr(type(vendor), name), "routes", [])
    ]
    # a literal segment goes before a named one
    return sorted(found, key=lambda item: item[0].template.count("{"))


def _pattern(template: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", template.replace(".", r"\.")))


def basic(user: str, password: str) -> str:
    """Give the value of an Authorization header for Basic credentials."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def document_of(
    request: Request, check: Check, code: str = "", content_type: str = "application/json"
) -> Any:
    """Parse a JSON body of a known shape; 400 where it is none, or another."""
    sent_type = request.headers.get("content-type", "")
    if not sent_type.startswith(content_type):
        raise Refusal(400, f"the content type is {sent_type!r}, not {content_type}", code)
    try:
        document = request.json()
    except ValueError:
        raise Refusal(400, "the body is not JSON", code) from None
    if (fault := check(document)) is not None:
        raise Refusal(400, f"the body {fault}", code)
    return document


def check_size(request: Request, largest_bytes: int, code: str = "", status: int = 413) -> None:
    """Refuse a body of more bytes than the vendor takes, after decompression."""
    if len(request.content) > largest_bytes:
        raise Refusal(status, f"the body has more than {largest_bytes} bytes", code)


def size_of(document: Any) -> int:
    """Count the bytes of a part of a body, as compact JSON."""
    return len(json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode())


def key_of(attributes: Mapping[str, Any], *otherwise: Any) -> str:
    """Give the key of ours that a message carries, or what else tells it from others."""
    for name in KEY_FIELDS:
        if attributes.get(name):
            return str(attributes[name])
    return "|".join(str(part) for part in otherwise)

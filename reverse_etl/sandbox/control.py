"""The sandbox's own interface below `/_sandbox/`: look at it, reset it, make it fail."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from reverse_etl.sandbox.faults import KINDS, BadFault, Fault
from reverse_etl.sandbox.wire import Request, Response

if TYPE_CHECKING:
    from reverse_etl.sandbox.server import Sandbox

PREFIX = "/_sandbox"
DEFAULT_ENTRIES = 100


class Control:
    """Answers requests about the sandbox itself."""

    def __init__(self, sandbox: "Sandbox"):
        """Speak about this sandbox."""
        self.sandbox = sandbox
        self.answers: dict[tuple[str, str], Callable[[Request], Response]] = {
            ("GET", ""): self.index,
            ("GET", "/requests"): self.requests,
            ("GET", "/state"): self.state,
            ("POST", "/reset"): self.reset,
            ("GET", "/faults"): self.faults,
            ("POST", "/faults"): self.add_faults,
            ("DELETE", "/faults"): self.clear_faults,
            ("POST", "/limits"): self.limit,
            ("GET", "/audiences"): self.audiences,
            ("POST", "/audiences"): self.create_audiences,
            ("GET", "/environment"): self.environment,
        }

    def handle(self, request: Request) -> Response:
        """Answer a request of whose path the prefix is known."""
        path = request.path.removeprefix(PREFIX).rstrip("/")
        answer = self.answers.get((request.method, path))
        if answer is None:
            paths = sorted(f"{method} {PREFIX}{path}" for method, path in self.answers)
            return Response(404, {"error": "no such control", "there_are": paths})
        try:
            return answer(request)
        except (BadFault, KeyError, TypeError, ValueError) as error:
            return Response(400, {"error": str(error)})

    def index(self, request: Request) -> Response:
        """Say what there is."""
        return Response(
            200,
            {
                "destinations": self.sandbox.names,
                "controls": sorted(f"{method} {PREFIX}{path}" for method, path in self.answers),
                "fault_kinds": KINDS,
            },
        )

    def requests(self, request: Request) -> Response:
        """Give the latest requests, newest last: `?destination=&limit=`."""
        destination = self._destination(request.query.get("destination"))
        limit = int(request.query.get("limit", DEFAULT_ENTRIES))
        entries = self.sandbox.journal.of(destination)
        return Response(
            200,
            {
                "total": self.sandbox.journal.count(destination),
                "summary": self.sandbox.journal.summary(),
                "requests": [entry.document() for entry in entries[-limit:] if limit > 0],
            },
        )

    def state(self, request: Request) -> Response:
        """Give what the stand-ins hold: `?destination=` for one, `&detail=counts` for numbers."""
        is_detailed = request.query.get("detail") != "counts"
        destination = self._destination(request.query.get("destination"))
        if destination is not None:
            return Response(200, self.sandbox.vendor(destination).state(is_detailed))
        return Response(
            200,
            {name: self.sandbox.vendor(name).state(is_detailed) for name in self.sandbox.names},
        )

    def reset(self, request: Request) -> Response:
        """Forget requests, state, limits and faults."""
        self.sandbox.reset()
        return Response(204)

    def faults(self, request: Request) -> Response:
        """Give the faults that are switched on."""
        return Response(200, {"faults": [vars(fault) for fault in self.sandbox.faults.active]})

    def add_faults(self, request: Request) -> Response:
        """Switch on one fault, or a list of them."""
        document = request.json()
        documents = document if isinstance(document, list) else [document]
        faults = [Fault.parse(item) for item in documents]
        for fault in faults:
            self._destination(None if fault.destination == "*" else fault.destination)
        added = [vars(self.sandbox.faults.add(fault)) for fault in faults]
        return Response(201, {"faults": added})

    def clear_faults(self, request: Request) -> Response:
        """Switch off the faults: `?destination=` for those of one destination."""
        self.sandbox.faults.clear(self._destination(request.query.get("destination")))
        return Response(204)

    def limit(self, request: Request) -> Response:
        """Set or lift a limit: `{destination, class?, requests?, seconds?}`, no requests lifts."""
        document: dict[str, Any] = request.json()
        destination = self._destination(document["destination"]) or ""
        requests, seconds = document.get("requests"), document.get("seconds", 1.0)
        self.sandbox.limit(destination, requests, seconds, document.get("class"))
        return Response(204)

    def audiences(self, request: Request) -> Response:
        """Give the audiences that exist at each destination; null where any one does."""
        known = {name: self.sandbox.vendor(name).audiences() for name in self.sandbox.names}
        return Response(200, {name: some and sorted(some) for name, some in known.items()})

    def create_audiences(self, request: Request) -> Response:
        """Make audiences: `{destination, audiences}`, by the ids that the vendor would give."""
        document: dict[str, Any] = request.json()
        destination = self._destination(document["destination"]) or ""
        audiences = document["audiences"]
        if not isinstance(audiences, list) or not all(isinstance(a, str) and a for a in audiences):
            raise ValueError("audiences is a list of ids")
        for audience in audiences:
            self.sandbox.vendor(destination).create_audience(audience)
        return Response(201, {"audiences": audiences})

    def environment(self, request: Request) -> Response:
        """Give the variables that point the destinations here."""
        return Response(200, self.sandbox.environment())

    def _destination(self, name: str | None) -> str | None:
        if name is not None and name not in self.sandbox.names:
            raise BadFault(f"no stand-in for {name!r}; there are {', '.join(self.sandbox.names)}")
        return name

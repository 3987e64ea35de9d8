"""The server of the sandbox: threads, sockets, and the faults that happen to them."""

import contextlib
import select
import socket
import socketserver
import struct
import threading
from collections.abc import Callable, Collection
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from reverse_etl.sandbox.control import PREFIX, Control
from reverse_etl.sandbox.faults import Fault, Faults
from reverse_etl.sandbox.journal import Entry, Journal
from reverse_etl.sandbox.limits import Limit
from reverse_etl.sandbox.memory import Memory
from reverse_etl.sandbox.vendor import Vendor
from reverse_etl.sandbox.vendors import VENDORS
from reverse_etl.sandbox.wire import BadRequest, Request, Response, read_request
from reverse_etl.sandbox.witness import Witness

TIMEOUT_SECONDS = 60.0
SLOW_SECONDS = 2.0
MALFORMED = "<html><body>upstream error</body></html>"
RESET_AT_CLOSE = struct.pack("ii", 1, 0)
"""SO_LINGER with a time of zero: closing sends RST instead of FIN."""


class Sandbox:
    """Stand-ins for every HTTP destination, each below its own name: `http://host:port/appcues`.

    Usable as a context manager, in the process of the tests:

        with Sandbox() as sandbox:
            sandbox.fault(destination="appcues", kind="429", times=2)
            ...
            assert sandbox.state("appcues")["members"] == {...}

    With `state_file` the vendors remember from one start to the next what they hold. `audiences`
    names the segments, lists, tags and cohorts that exist beside those that somebody makes;
    without it there is whichever one is asked for, but for those that begin with `missing`.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        state_file: Path | None = None,
        audiences: Callable[[], Collection[str]] | None = None,
    ):
        """Prepare to listen on `host`; port 0 takes a free one. Nothing listens before `start`."""
        self.faults = Faults()
        self.journal = Journal()
        self.control = Control(self)
        self.stopping = threading.Event()
        self.address = (host, port)
        self.server: _Server | None = None
        self._vendors: dict[str, Vendor] = {vendor.name: vendor(self.faults) for vendor in VENDORS}
        self.name_audiences(audiences)
        self.memory = Memory(state_file, self._vendors) if state_file else None

    def start(self) -> Self:
        """Listen and serve, in threads of this process. OSError when the port is taken."""
        self.stopping.clear()
        self.server = _Server(self.address, self)
        if self.memory is not None:
            self.memory.recall()
        self.address = self.server.server_address[:2]  # type: ignore[assignment]
        threading.Thread(
            target=self.server.serve_forever, args=(0.05,), name="sandbox", daemon=True
        ).start()
        return self

    def stop(self) -> None:
        """Stop listening, end every connection, and save the state where it is to be kept."""
        if self.server is None:
            return
        self.stopping.set()
        self.server.shutdown()
        self.server.server_close()
        self.server.end_connections()
        self.server = None
        if self.memory is not None:
            self.memory.save()
            self.memory.close()

    def __enter__(self) -> Self:
        """Start."""
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop."""
        self.stop()

    @property
    def url(self) -> str:
        """Where the sandbox listens."""
        host, port = self.address
        return f"http://{f'[{host}]' if ':' in host else host}:{port}"

    @property
    def names(self) -> list[str]:
        """The destinations that have a stand-in."""
        return list(self._vendors)

    def vendor(self, destination: str) -> Vendor:
        """Give one stand-in; KeyError when there is none of this name."""
        return self._vendors[destination]

    def base_url(self, destination: str) -> str:
        """Where one stand-in answers."""
        return f"{self.url}/{self.vendor(destination).name}"

    def environment(self, *destinations: str) -> dict[str, str]:
        """Give the KAIROS_* variables that point these destinations (default: all) here."""
        environment: dict[str, str] = {}
        for name in destinations or self.names:
            environment |= self.vendor(name).environment(self.base_url(name))
        return environment

    def state(self, destination: str) -> dict[str, Any]:
        """Give what one stand-in holds."""
        return self.vendor(destination).state()

    def witness(self, destination: str) -> Witness:
        """Give the live truth of one stand-in, for tests that look while requests come in."""
        return self.vendor(destination).witness

    def requests(self, destination: str | None = None) -> list[Entry]:
        """Give the latest requests, oldest first."""
        return self.journal.of(destination)

    def fault(self, **fault: Any) -> Fault:
        """Switch a fault on; see `Fault` for its fields."""
        return self.faults.add(Fault.parse(fault))

    def limit(
        self,
        destination: str,
        requests: int | None,
        seconds: float = 1.0,
        limit_class: str | None = None,
    ) -> None:
        """Set the limit of one class of endpoints, or of all; None lifts it."""
        vendor = self.vendor(destination)
        with vendor.lock:
            names = [limit_class] if limit_class else ["default", *vendor.limits]
            for name in names:
                vendor.limit.pop(name, None)
                if requests is not None:
                    vendor.limit[name] = Limit(requests, seconds)

    def name_audiences(self, audiences: Callable[[], Collection[str]] | None) -> None:
        """Say which audiences exist from the beginning, from now on; None: any one."""
        for vendor in self._vendors.values():
            vendor.named = audiences

    def reset(self) -> None:
        """Forget everything: requests, state, limits and faults."""
        self.journal.clear()
        self.faults.clear()
        for vendor in self._vendors.values():
            with vendor.lock:
                vendor.reset()
        if self.memory is not None and self.server is not None:
            self.memory.save()

    def answer(self, connection: "_Connection", request: Request) -> bool:
        """Answer one request; False when the connection must end."""
        if request.path.startswith(PREFIX) or request.path == "/":
            connection.send(self.control.handle(request).encode())
            return not request.wants_close
        destination, _, rest = request.path[1:].partition("/")
        vendor = self._vendors.get(destination)
        if vendor is None:
            there_are = ", ".join(self.names)
            error = {"error": f"no stand-in for {destination!r}; there are {there_are}"}
            connection.send(Response(404, error).encode())
            return not request.wants_close
        return self._answer_as(vendor, connection, request, f"/{rest}")

    def _answer_as(
        self, vendor: Vendor, connection: "_Connection", request: Request, path: str
    ) -> bool:
        fault = self.faults.take(vendor.name, request.method, path)
        response = None
        if fault is None or fault.commits:
            response = vendor.handle(request, path)
        took_effect = response is not None and response.status < 300
        if fault is not None:
            response, outcome = self._befall(fault, vendor, connection, response)
        else:
            outcome = "answered"
        status = response.status if response else None
        # recorded before it is answered: whoever has the answer finds it in the journal
        self.journal.add(vendor.name, request, path, status, outcome, took_effect)
        if response is not None:
            encoded = response.encode()
            connection.send(encoded[: len(encoded) - 3] if outcome == "truncated" else encoded)
        elif outcome == "reset":
            connection.reset()
        return outcome == "answered" and not request.wants_close

    def _befall(
        self, fault: Fault, vendor: Vendor, connection: "_Connection", response: Response | None
    ) -> tuple[Response | None, str]:
        """Let a fault happen; give the answer that is still sent, if any, and how it ends."""
        match fault.kind:
            case "429":
                return vendor.limited_by(fault), "answered"
            case "5xx":
                return Response(fault.status or 503, {"message": "try again later"}), "answered"
            case "slow":
                connection.wait(SLOW_SECONDS if fault.seconds is None else fault.seconds)
                return response, "answered"
            case "malformed":
                return Response(fault.status or 200, MALFORMED), "answered"
            case "truncated":
                body = (response.body if response else None) or {"message": "cut short"}
                return Response(response.status if response else 200, body), "truncated"
            case "timeout":
                connection.wait(TIMEOUT_SECONDS if fault.seconds is None else fault.seconds)
                return None, "timeout"
            case "reset":
                return None, "reset"
            case _:
                return None, "dropped"


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 512

    def __init__(self, address: tuple[str, int], sandbox: Sandbox):
        self.sandbox = sandbox
        self.open_sockets: set[socket.socket] = set()
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        super().__init__(address, _Connection)

    def end_connections(self) -> None:
        for connection in list(self.open_sockets):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        # a sender that goes away in the middle is no error of ours
        pass


class _Connection(socketserver.StreamRequestHandler):
    disable_nagle_algorithm = True
    server: _Server

    def handle(self) -> None:
        self.server.open_sockets.add(self.connection)
        try:
            while not self.server.sandbox.stopping.is_set():
                request = read_request(self.rfile, self.wfile)
                if request is None or not self.server.sandbox.answer(self, request):
                    return
        except BadRequest as error:
            self.send(Response(400, {"error": str(error)}, {"Connection": "close"}).encode())
        except ConnectionError:
            return
        finally:
            self.server.open_sockets.discard(self.connection)

    def send(self, content: bytes) -> None:
        self.connection.sendall(content)

    def reset(self) -> None:
        """Close so that the other side sees a reset and no orderly end."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)
        self.rfile.close()
        self.connection.close()

    def wait(self, seconds: float) -> None:
        """Wait, but no longer than the other side, or the sandbox, is there."""
        waited = 0.0
        while waited < seconds and not self.server.sandbox.stopping.is_set():
            step = min(0.05, seconds - waited)
            readable, _, _ = select.select([self.connection], [], [], step)
            if readable and not self.connection.recv(1, socket.MSG_PEEK):
                return
            waited += step

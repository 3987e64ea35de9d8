"""Runs that die: a process that is gone after a number of steps, at any of them."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from reverse_etl.destinations.base import Destination, InDoubt
from reverse_etl.dispatch.dispatcher import Dispatcher
from reverse_etl.dispatch.record import Outcome
from reverse_etl.dispatch.transport import Transport
from reverse_etl.ledger.caps import Guard
from reverse_etl.ledger.store import Ledger
from reverse_etl.model import Operation, Request, Response
from tests.reverse_etl.conftest import NOW, QUICK

TUNING = replace(
    QUICK,
    attempts=3,
    chunk=5,
    patience_seconds=0.05,
    breaker_seconds=0.001,
    # whoever asks for a longer silence gets it: the run ends, and the next one sends
    longest_wait_seconds=0.05,
)


class Killed(BaseException):
    """The process is gone: nothing after this instant happens."""


class Mortality:
    """Lets a number of steps happen, then none, in any thread."""

    def __init__(self, steps: int | None) -> None:
        self.left = steps
        self.taken = 0
        self.died: str | None = None
        """Before or after what it died, as in `after finish`."""
        self.lock = threading.Lock()

    def step(self, place: str) -> None:
        with self.lock:
            self.taken += 1
            if self.left is None:
                return
            if self.left <= 0:
                self.died = self.died or place
                raise Killed
            self.left -= 1


class MortalLedger:
    """A ledger whose process may die before or after each thing that it writes."""

    def __init__(self, ledger: Ledger, mortality: Mortality) -> None:
        self._ledger = ledger
        self._mortality = mortality

    def __getattr__(self, name: str) -> Any:
        verb = getattr(self._ledger, name)

        def mortal(*arguments: Any, **options: Any) -> Any:
            self._mortality.step(f"before {name}")
            answer = verb(*arguments, **options)
            self._mortality.step(f"after {name}")
            return answer

        return mortal


class MortalTransport:
    """A transport whose process may die before or after each request."""

    def __init__(self, transport: Transport, mortality: Mortality) -> None:
        self._transport = transport
        self._mortality = mortality

    def send(self, request: Request) -> Response:
        self._mortality.step("before send")
        response = self._transport.send(request)
        self._mortality.step("after send")
        return response

    def close(self) -> None:
        self._transport.close()


def run(
    ledger: Ledger,
    destination: Destination,
    plan: Sequence[Operation],
    name: str,
    guard: Guard,
    mortality: Mortality,
    *,
    around: Callable[[Transport], Transport] = lambda transport: transport,
    at: datetime = NOW,
    policy: InDoubt = InDoubt.SKIP,
) -> Outcome | None:
    """One run; None when it was killed. `around` puts faults between us and the transport."""
    owner = ledger.owner(name)
    owner.__enter__()
    try:
        return Dispatcher(
            destination,
            MortalLedger(ledger, mortality),  # type: ignore[arg-type]
            guard,
            run_id=name,
            clock=lambda: at,
            stop=threading.Event(),
            tuning=TUNING,
            policy=policy,
            transport=MortalTransport(around(destination.transport()), mortality),
        ).run(plan)
    except Killed:
        # a dead process lets its lock go and writes nothing
        owner._forget = lambda _: None
        return None
    finally:
        owner.__exit__()
        _wait_until_gone(ledger, name)


def _wait_until_gone(ledger: Ledger, name: str) -> None:
    """A server notices a moment later that a session is over; until then its owner lives."""
    gives_up_at = time.monotonic() + 10
    with ledger._database.read() as connection:
        while not ledger._liveness.is_dead(name, connection):
            assert time.monotonic() < gives_up_at, f"{name} holds its lock for ever"
            time.sleep(0.005)

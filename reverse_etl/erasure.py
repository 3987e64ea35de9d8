"""One person taken out of the destinations: out of audiences, and forgotten where one can ask."""

import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime

from tenacity import (
    Retrying,
    retry_if_exception_type,
    stop_after_attempt,
    wait_random_exponential,
)

from reverse_etl import destinations
from reverse_etl.destinations.base import Destination, Verdict
from reverse_etl.dispatch.dispatcher import Dispatcher
from reverse_etl.dispatch.patience import Tuning
from reverse_etl.dispatch.transport import Transport
from reverse_etl.errors import (
    LedgerUnavailable,
    NotConfigured,
    NotSent,
    OutcomeUnknown,
    UnknownDestination,
)
from reverse_etl.ledger.caps import Guard
from reverse_etl.ledger.store import Ledger
from reverse_etl.masking import hide
from reverse_etl.model import Kind, Operation, Request, State
from warehouse.erasure import Place
from warehouse.errors import KairosError

ATTEMPTS = 5
PAUSE_SECONDS = 1.0


def erase_at_destinations(
    ledger: Ledger,
    user_key: str,
    env: Mapping[str, str],
    clock: Callable[[], datetime],
) -> Iterator[Place]:
    """Tell every destination that was sent something of somebody, one after another.

    Each gives a place whose `row_count` is how many memberships and records were taken back, and
    whose `problem` says what is left to do: by hand, or by another call, which needs the ledger to
    know still where they are.
    """
    memberships = ledger.memberships(user_key)
    for name in ledger.destinations_of(user_key):
        audiences = [audience for place, audience in memberships if place == name]
        try:
            target = destinations.find(name).from_env(env)
        except (NotConfigured, UnknownDestination) as error:
            yield Place(name, 0, f"{error}, or it cannot be asked: delete them there by hand")
            continue
        try:
            yield _erase_at(target, ledger, user_key, audiences, clock)
        except LedgerUnavailable:
            raise
        except KairosError as error:
            # a library that is missing here, a proxy that cannot be used: no reason to stop
            why = hide(str(error), target.secrets())
            problem = f"it could not be asked ({why}): mend that and run this again"
            yield Place(name, 0, problem, is_unfinished=True)


def _erase_at(
    target: Destination,
    ledger: Ledger,
    user_key: str,
    audiences: list[str],
    clock: Callable[[], datetime],
) -> Place:
    name = target.name
    if left := _leave(target, ledger, user_key, audiences, clock):
        return Place(name, 0, left, is_unfinished=True)
    requests = target.erasure(user_key)
    if not requests:
        problem = "it has no request to delete a person: delete them there by hand"
        return Place(name, len(audiences), problem)
    transport = target.transport()
    try:
        refusal = next((why for one in requests if (why := _ask(target, transport, one))), None)
    except (NotSent, OutcomeUnknown) as error:
        why = hide(str(error), target.secrets())
        problem = f"it could not be asked to forget them ({why}): run this again"
        return Place(name, len(audiences), problem, is_unfinished=True)
    finally:
        transport.close()
    return Place(name, len(audiences) + (0 if refusal else 1), refusal)


def _leave(
    target: Destination,
    ledger: Ledger,
    user_key: str,
    audiences: list[str],
    clock: Callable[[], datetime],
) -> str | None:
    """Take somebody out of audiences, as a run does; say what did not succeed."""
    if not audiences:
        return None
    run_id = f"erase-{uuid.uuid4().hex}"
    with ledger.owner(run_id):
        outcome = Dispatcher(
            target,
            ledger,
            Guard(()),
            run_id=run_id,
            clock=clock,
            stop=threading.Event(),
            tuning=Tuning(),
        ).run(_removal(target.name, audience, user_key, clock()) for audience in audiences)
    taken = outcome.counts.get(State.ACCEPTED, 0)
    if taken == len(audiences):
        return None
    why = f" ({outcome.problem})" if outcome.problem else ""
    return f"left only {taken} of {len(audiences)} audiences{why}: run this again"


def _removal(destination: str, audience: str, user_key: str, at: datetime) -> Operation:
    key = uuid.uuid4().hex
    return Operation(
        operation_id=key,
        idempotency_key=key,
        destination=destination,
        kind=Kind.AUDIENCE,
        operation="remove",
        object_key=audience,
        user_key=user_key,
        decision_id=None,
        payload_text="",
        payload_hash="",
        scope_text=None,
        decided_at=None,
        planned_at=at,
        expires_at=None,
        sequence_number=1,
    )


def _ask(target: Destination, transport: Transport, request: Request) -> str | None:
    """Send one request until there is an answer that counts; say what it refuses.

    Raises NotSent or OutcomeUnknown where there is none.
    """
    attempts = Retrying(
        stop=stop_after_attempt(ATTEMPTS),
        wait=wait_random_exponential(multiplier=PAUSE_SECONDS),
        retry=retry_if_exception_type((NotSent, OutcomeUnknown)),
        reraise=True,
    )
    verdict, status = attempts(_send, target, transport, request)
    # whom the vendor does not know, it has nothing to forget of
    if verdict in (Verdict.READ, Verdict.NO_TARGET):
        return None
    return f"it does not forget them (it answered {status}): delete them there by hand"


def _send(target: Destination, transport: Transport, request: Request) -> tuple[Verdict, int]:
    # signatures go by the real clock, whatever the instant of the run
    response = transport.send(target.prepare(request, int(time.time())))
    verdict = target.verdict(response)
    if verdict in (Verdict.RETRY, Verdict.UNCERTAIN):
        raise OutcomeUnknown(f"it answered {response.status}")
    return verdict, response.status

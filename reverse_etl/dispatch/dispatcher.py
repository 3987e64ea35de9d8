"""Streams a plan to one destination: claims, batches, sends, and writes down what became of it."""

import itertools
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta

from reverse_etl.destinations.base import Destination, InDoubt, Verdict
from reverse_etl.dispatch.patience import POLL_SECONDS, Patience, Tuning
from reverse_etl.dispatch.record import Outcome, Record
from reverse_etl.dispatch.transport import Transport
from reverse_etl.errors import NotSent, OutcomeUnknown
from reverse_etl.ledger.caps import Guard
from reverse_etl.ledger.store import Ledger, Standing
from reverse_etl.masking import hide, redact
from reverse_etl.model import Kind, Operation, Request, Response, Result, State
from warehouse.errors import KairosError

VOLLEY = 64
VOLLEY_ROWS = 4_000
"""Requests that are written down together, where sending one again changes nothing, and about how
many operations they carry at most."""
NOT_BEGUN = {
    State.UNKNOWN: Result(State.UNKNOWN, None, "stopped", "an earlier run perhaps sent it")
}
"""What a run says of what it was stopped before, where there is something to say."""
HOPELESS_REFUSALS = 200
"""After so many refused requests and not one accepted row, something is wrong with all of them."""


class Dispatcher:
    """Delivers to one destination; nothing that goes wrong there touches another."""

    def __init__(
        self,
        destination: Destination,
        ledger: Ledger,
        guard: Guard,
        *,
        run_id: str,
        clock: Callable[[], datetime],
        stop: threading.Event,
        tuning: Tuning,
        policy: InDoubt = InDoubt.SKIP,
        transport: Transport | None = None,
    ) -> None:
        """`clock` is the run's "now"; time-outs and pauses always follow the real clock.

        `policy` decides what perhaps arrived, where the destination cannot tell.
        """
        self._destination = destination
        self._capabilities = destination.capabilities
        self._ledger = ledger
        self._guard = guard
        self._run_id = run_id
        self._clock = clock
        self._tuning = tuning
        self._transport = transport or destination.transport()
        self._patience = Patience(destination, tuning, stop)
        self._record = Record(ledger, destination, policy, run_id, clock)
        self._lock = threading.Lock()
        self._error: BaseException | None = None
        self._refusals = 0
        self._under_way: dict[str, deque[Request]] = {}
        self._volley_size = max(1, min(VOLLEY, VOLLEY_ROWS // self._capabilities.batch_count))
        in_hand = 2 * max(self._capabilities.concurrency, self._volley_size)
        self._slots = threading.Semaphore(in_hand)
        self._volley: list[Request] = []
        self._begun: dict[int, Request] = {}

    def run(self, operations: Iterable[Operation]) -> Outcome:
        """Deliver the plan in its order, as far as that is possible; answers what it came to.

        The caller holds the ledger's `owner(run_id)` meanwhile.
        """
        try:
            with ThreadPoolExecutor(self._capabilities.concurrency, "kairos-send") as workers:
                try:
                    self._feed(operations, workers)
                except BaseException:
                    self._patience.halt()
                    raise
        finally:
            self._transport.close()
        if self._error is not None:
            with suppress(Exception):
                # the error that came first is the one to show
                self._record.write()
            raise self._error
        self._record.write()
        problem = self._patience.problem
        self._record.outcome.problem = problem and hide(problem, self._destination.secrets())
        return self._record.outcome

    # from the plan to requests

    def _feed(self, operations: Iterable[Operation], workers: ThreadPoolExecutor) -> None:
        buffers: dict[Hashable, list[Operation]] = {}
        for chunk in _chunks(operations, self._tuning.chunk):
            if self._patience.is_over:
                break
            for operation in self._claim(chunk):
                key = self._destination.batch_key(operation)
                buffer = buffers.setdefault(key, [])
                buffer.append(operation)
                if len(buffer) >= self._capabilities.batch_count:
                    self._submit(buffers.pop(key), workers)
            while sum(map(len, buffers.values())) > self._tuning.window:
                fullest = max(buffers, key=lambda key: len(buffers[key]))
                self._submit(buffers.pop(fullest), workers)
        for buffer in buffers.values():
            self._submit(buffer, workers)
        self._fire(workers)

    def _claim(self, chunk: Sequence[Operation]) -> Iterator[Operation]:
        claims = self._ledger.claim(
            [self._while_it_matters(operation) for operation in chunk],
            owner_id=self._run_id,
            run_id=self._run_id,
            at=self._clock(),
            guard=self._guard,
            resends=self._record.resends,
            invalid=self._destination.check,
            settle_seconds=self._capabilities.settle_seconds,
        )
        self._record.outcome.seen += len(chunk)
        for claim in claims:
            self._record.outcome.standings[claim.standing] += 1
            if claim.was_in_doubt and claim.standing is Standing.CLAIMED:
                self._record.doubt(claim.operation)
            if claim.standing is Standing.CLAIMED:
                yield claim.operation
            elif claim.standing in _ENDS:
                self._record.count(_ENDS[claim.standing])

    def _while_it_matters(self, operation: Operation) -> Operation:
        """Let a moment expire when the destination would take it and do nothing with it."""
        seconds = self._capabilities.moment_seconds
        if seconds is None or operation.decided_at is None:
            return operation
        last = operation.decided_at + timedelta(seconds=seconds)
        return replace(operation, expires_at=min(operation.expires_at or last, last))

    def _submit(self, operations: Sequence[Operation], workers: ThreadPoolExecutor) -> None:
        for request in self._build(operations):
            self._volley.append(request)
            if len(self._volley) >= self._volley_size:
                self._fire(workers)

    def _fire(self, workers: ThreadPoolExecutor) -> None:
        """Hand requests to the workers.

        Those that may be repeated are written down as under way together. Where a repetition
        would show, each is written down by itself at the last moment, so that a run that dies
        leaves as few as possible in doubt.
        """
        volley, self._volley = self._volley, []
        repeatable = [one for one in volley if self._record.are_repeatable(one.operations)]
        if repeatable and not self._patience.is_over:
            held = self._record.begin(o for request in repeatable for o in request.operations)
            self._begun |= {
                id(request): request
                for request in repeatable
                if all(o.idempotency_key in held for o in request.operations)
            }
        for request in volley:
            while not self._slots.acquire(timeout=POLL_SECONDS):
                if self._error is not None:
                    return
            workers.submit(self._work, request)

    def _build(self, operations: Sequence[Operation]) -> Iterator[Request]:
        """Build requests; where that fails, halve until the operation that fails stands alone."""
        try:
            requests = list(self._destination.requests(operations))
        except Exception as error:
            if len(operations) > 1:
                for half in _halves(operations):
                    yield from self._build(half)
                return
            # the type alone: the text could hold the payload
            reason = Result(State.INVALID, None, "invalid", f"cannot be sent: {_name(error)}")
            self._record.finish(operations, [reason])
            self._record.count(State.INVALID)
            return
        yield from requests

    # from requests to results

    def _work(self, request: Request) -> None:
        """Deliver a request, and then those that waited for it because they share its key."""
        try:
            if not self._enter(request):
                return
            following: Request | None = request
            while following is not None:
                states = {o.idempotency_key: self._record.before(o) for o in following.operations}
                try:
                    self._deliver(following, states, 1)
                finally:
                    for state in states.values():
                        self._record.count(state)
                    self._slots.release()
                    following = self._leave(following)
        except BaseException as error:
            with self._lock:
                self._error = self._error or error
            self._patience.halt()

    def _enter(self, request: Request) -> bool:
        """Whether a request may go now; else it waits behind the one with the same key."""
        key = request.serial_key
        if key is None:
            return True
        with self._lock:
            if key in self._under_way:
                self._under_way[key].append(request)
                return False
            self._under_way[key] = deque()
            return True

    def _leave(self, request: Request) -> Request | None:
        key = request.serial_key
        if key is None:
            return None
        with self._lock:
            if self._under_way[key]:
                return self._under_way[key].popleft()
            del self._under_way[key]
            return None

    def _deliver(self, request: Request, states: dict[str, State], attempt: int) -> None:
        """Send until every operation has its result or the attempts of this run are used up."""
        again = self._attempt(request, states)
        while again and attempt < self._tuning.attempts:
            attempt += 1
            if not self._patience.back_off(attempt):
                return
            if len(again) < len(request.operations):
                for smaller in self._build(again):
                    self._deliver(smaller, states, attempt)
                return
            again = self._attempt(request, states)

    def _attempt(self, request: Request, states: dict[str, State]) -> Sequence[Operation]:
        """Send once and write down what became of each; answers what may be tried again."""
        if not self._patience.wait_for(request):
            self._leave_off(request, states)
            return ()
        signed = self._destination.prepare(request, int(time.time()))
        rest = self._begin(request, states)
        if rest is not None:
            return rest
        self._record.count_request()
        try:
            response = self._transport.send(signed)
        except NotSent as error:
            self._patience.failed()
            return self._failed(request, State.RETRYABLE, "not_sent", str(error), states)
        except OutcomeUnknown as error:
            self._patience.failed()
            return self._failed(request, State.UNKNOWN, "no_answer", str(error), states)
        except KairosError as error:
            self._patience.halt(str(error))
            return self._failed(request, State.RETRYABLE, "not_sent", str(error), states)
        except Exception as error:
            self._failed(request, State.UNKNOWN, "no_answer", _name(error), states)
            raise
        self._patience.learn(request, response)
        return self._answered(request, response, states)

    def _begin(self, request: Request, states: dict[str, State]) -> Sequence[Operation] | None:
        """Write that it is under way; answers the rest where some of it is not ours any more."""
        if self._begun.pop(id(request), None) is not None:
            return None
        held = self._record.begin(request.operations)
        rest = [o for o in request.operations if o.idempotency_key in held]
        if len(rest) == len(request.operations):
            return None
        # another dispatcher took this one for dead: what it took over is its to send
        for operation in request.operations:
            if operation.idempotency_key not in held:
                states.pop(operation.idempotency_key, None)
        result = Result(State.RETRYABLE, None, "not_sent", "its batch lost a row to another run")
        return self._finish(rest, [result] * len(rest), states)

    def _answered(
        self, request: Request, response: Response, states: dict[str, State]
    ) -> Sequence[Operation]:
        verdict = self._destination.verdict(response)
        if verdict is Verdict.UNCERTAIN or response.status == 503:
            self._patience.failed()
        else:
            self._patience.answered()
        if verdict is Verdict.READ or response.status in self._capabilities.row_statuses:
            results = self._read(request, response)
            if results is not None:
                return self._finish(request.operations, results, states)
        code, message = f"http_{response.status}", self._message(request, response)
        if verdict is Verdict.READ:
            result = Result(State.ACCEPTED, response.status)
            self._finish(request.operations, [result] * len(request.operations), states)
            return ()
        if verdict is Verdict.RETRY:
            return self._failed(request, State.RETRYABLE, code, message, states, response)
        if verdict is Verdict.UNCERTAIN:
            return self._failed(request, State.UNKNOWN, code, message, states, response)
        if verdict in (Verdict.MISCONFIGURED, Verdict.GONE):
            self._patience.halt(self._explain(verdict, response))
            self._failed(request, State.RETRYABLE, code, message, states, response)
            return ()
        return self._refused(request, response, verdict, message, states)

    def _read(self, request: Request, response: Response) -> Sequence[Result] | None:
        """Read the rows of an answer; one that cannot be read leaves the outcome unknown."""
        try:
            results = self._destination.results(request, response)
            if results is not None and len(results) != len(request.operations):
                raise ValueError("not one result per operation")
        except Exception:
            unknown = Result(
                State.UNKNOWN, response.status, "unreadable", "the answer cannot be understood"
            )
            return [unknown] * len(request.operations)
        if results is None:
            return None
        secrets = self._destination.secrets()
        return [
            result
            if result.error_message is None
            else Result(
                result.state,
                result.http_status or response.status,
                result.error_code,
                redact(result.error_message, secrets, [operation.user_key]),
            )
            for operation, result in zip(request.operations, results, strict=True)
        ]

    def _refused(
        self,
        request: Request,
        response: Response,
        verdict: Verdict,
        message: str,
        states: dict[str, State],
    ) -> Sequence[Operation]:
        """Halve a batch that was refused as a whole; a row that stands alone is the bad one."""
        code = "too_large" if verdict is Verdict.TOO_LARGE else f"http_{response.status}"
        operations = request.operations
        with self._lock:
            self._refusals += 1
            is_hopeless = self._refusals >= HOPELESS_REFUSALS
        if is_hopeless and not self._record.outcome.counts[State.ACCEPTED]:
            self._patience.halt(
                f"{self._destination.name} refuses everything it is sent "
                f"(HTTP {response.status}: {message})"
            )
        # the target itself is missing: no half of the batch would find it
        is_whole = verdict is Verdict.NO_TARGET
        if is_whole and not self._destination.knows_target(response):
            message = self._absence(operations[0]) or message
        if len(operations) == 1 or is_whole:
            result = Result(State.REJECTED, response.status, code, message)
            self._finish(operations, [result] * len(operations), states)
            return ()
        self._failed(request, State.RETRYABLE, code, message, states, response)
        for half in _halves(operations):
            for smaller in self._build(half):
                self._deliver(smaller, states, 1)
        return ()

    def _finish(
        self,
        operations: Sequence[Operation],
        results: Sequence[Result],
        states: dict[str, State],
    ) -> list[Operation]:
        """Write results down, without secrets; answers the operations that may be sent again."""
        again = []
        results = [self._without_secrets(result) for result in results]
        for operation, result in self._record.finish(operations, results):
            states[operation.idempotency_key] = result.state
            if result.state is State.RETRYABLE or (
                result.state is State.UNKNOWN and self._record.resends(operation)
            ):
                again.append(operation)
        return again

    def _without_secrets(self, result: Result) -> Result:
        if result.error_message is None:
            return result
        return replace(
            result, error_message=hide(result.error_message, self._destination.secrets())
        )

    def _failed(
        self,
        request: Request,
        state: State,
        code: str,
        message: str,
        states: dict[str, State],
        response: Response | None = None,
    ) -> Sequence[Operation]:
        """Write a failure of the whole request; answers what may be sent again."""
        status = response.status if response is not None else None
        results = [Result(state, status, code, message)] * len(request.operations)
        return self._finish(request.operations, results, states)

    def _leave_off(self, request: Request, states: dict[str, State]) -> None:
        """Write what is left when this run ends before its turn.

        Where it was told to stop, that is no failure: what was not tried is as it was before, and
        what was tried is as that left it.
        """
        if self._patience.problem is not None:
            self._failed(
                request, State.RETRYABLE, "destination_down", self._patience.problem, states
            )
        elif self._begun.pop(id(request), None) is not None:
            states_before = map(self._record.before, request.operations)
            before = [NOT_BEGUN.get(state, Result(state)) for state in states_before]
            self._finish(request.operations, before, states)

    def _message(self, request: Request, response: Response) -> str:
        text = response.body[:4096].decode("utf-8", "replace")
        people = [operation.user_key for operation in request.operations]
        return redact(text, self._destination.secrets(), people)

    def _absence(self, operation: Operation) -> str | None:
        """Say which audience does not exist, where what it is mapped by is written."""
        if operation.kind is not Kind.AUDIENCE:
            return None
        why = self._destination.absence(operation.object_key)
        if why is None:
            return None
        sentence = (
            f"seeds/audiences.csv maps {operation.object_key} to {self._destination.name}, which "
            f"{why}"
        )
        self._record.warn(sentence)
        return sentence

    def _explain(self, verdict: Verdict, response: Response) -> str:
        name = self._destination.name
        if verdict is Verdict.GONE:
            return f"{name} says that the target is gone (HTTP 410): set it up again"
        if response.status == 407:
            return "the proxy asks who we are (HTTP 407): write user and password into HTTP_PROXY"
        return (
            f"{name} refused our credentials (HTTP {response.status}): "
            f"check the KAIROS_{name.upper()}_ variables, its region among them"
        )


_ENDS = {
    Standing.SUPPRESSED: State.SUPPRESSED,
    Standing.EXPIRED: State.EXPIRED,
    Standing.INVALID: State.INVALID,
    Standing.IN_DOUBT: State.UNKNOWN,
}


def _name(error: BaseException) -> str:
    return type(error).__name__


def _halves(operations: Sequence[Operation]) -> tuple[Sequence[Operation], Sequence[Operation]]:
    middle = (len(operations) + 1) // 2
    return operations[:middle], operations[middle:]


def _chunks(operations: Iterable[Operation], size: int) -> Iterator[list[Operation]]:
    rest = iter(operations)
    while chunk := list(itertools.islice(rest, size)):
        yield chunk

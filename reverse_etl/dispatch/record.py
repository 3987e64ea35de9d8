"""What became of each operation of a run: in the ledger, in doubt, and counted."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from reverse_etl.destinations.base import Dedupe, Destination, InDoubt
from reverse_etl.ledger.store import Ledger, Standing
from reverse_etl.model import Operation, Result, State

UNWRITTEN_SECONDS = 0.25
UNWRITTEN_ROWS = 2_000
"""Acknowledgements that may be written late, where sending again changes nothing."""


@dataclass
class Outcome:
    """What a run came to: operations by their state at its end, requests, and what stopped it."""

    counts: Counter[State] = field(default_factory=Counter)
    standings: Counter[Standing] = field(default_factory=Counter)
    request_count: int = 0
    seen: int = 0
    problem: str | None = None
    warnings: set[str] = field(default_factory=set)
    """What somebody should know and mend, said once each."""


class Record:
    """Writes down what becomes of operations, for one run. Safe to share among threads."""

    def __init__(
        self,
        ledger: Ledger,
        destination: Destination,
        policy: InDoubt,
        run_id: str,
        clock: Callable[[], datetime],
    ) -> None:
        """`policy` decides what perhaps arrived, where the destination cannot tell."""
        self._ledger = ledger
        self._destination = destination
        self._policy = policy
        self._run_id = run_id
        self._clock = clock
        self._lock = threading.Lock()
        # perhaps sent by an earlier attempt: no later failure takes that back
        self._doubtful: set[str] = set()
        self._unwritten: list[tuple[Operation, Result]] = []
        self._written_at = time.monotonic()
        self.outcome = Outcome()

    def begin(self, operations: Iterable[Operation]) -> set[str]:
        """Write, before the request, that operations are under way; answers the keys still ours."""
        keys = [operation.idempotency_key for operation in operations]
        return self._ledger.begin(keys, self._run_id, self._clock())

    def finish(
        self, operations: Sequence[Operation], results: Sequence[Result]
    ) -> list[tuple[Operation, Result]]:
        """Write results down; answers each operation with the result that stands."""
        pairs = [
            (operation, self._in_doubt(operation, result))
            for operation, result in zip(operations, results, strict=True)
        ]
        is_settled = all(result.state is State.ACCEPTED for result in results)
        if is_settled and self.are_repeatable(operations):
            with self._lock:
                self._unwritten += pairs
            self.write(UNWRITTEN_ROWS)
        else:
            self._ledger.finish(pairs, self._run_id, self._clock())
        return pairs

    def write(self, waiting_rows: int = 0) -> None:
        """Write the acknowledgements that are waiting: more than so many, or after a moment."""
        with self._lock:
            now = time.monotonic()
            is_early = now - self._written_at < UNWRITTEN_SECONDS
            if waiting_rows and len(self._unwritten) <= waiting_rows and is_early:
                return
            waiting, self._unwritten = self._unwritten, []
            self._written_at = now
        if waiting:
            self._ledger.finish(waiting, self._run_id, self._clock())

    def are_repeatable(self, operations: Iterable[Operation]) -> bool:
        """Whether sending all of them again would change nothing, or be recognised."""
        dedupe = self._destination.capabilities.dedupe
        return all(dedupe.get(o.kind, Dedupe.NONE) is not Dedupe.NONE for o in operations)

    def resends(self, operation: Operation, age_seconds: float = 0.0) -> bool:
        """Whether what perhaps arrived so long ago is sent again, with the same key."""
        return self._destination.can_tell(operation, age_seconds) or self._policy is InDoubt.RESEND

    def doubt(self, operation: Operation) -> None:
        """Remember that an earlier run perhaps sent it."""
        self._doubtful.add(operation.idempotency_key)

    def before(self, operation: Operation) -> State:
        """How a claimed operation stands before this run sends it."""
        if operation.idempotency_key in self._doubtful:
            return State.UNKNOWN
        return State.PLANNED if operation.decision_id is None else State.RESERVED

    def count(self, state: State) -> None:
        """Count an operation by the state in which this run leaves it."""
        with self._lock:
            self.outcome.counts[state] += 1

    def warn(self, sentence: str) -> None:
        """Note what somebody should mend, though the rest goes on."""
        with self._lock:
            self.outcome.warnings.add(sentence)

    def count_request(self) -> None:
        """Count a request over the network."""
        with self._lock:
            self.outcome.request_count += 1

    def _in_doubt(self, operation: Operation, result: Result) -> Result:
        """A failure after a doubt leaves the doubt: the earlier attempt may have arrived."""
        key = operation.idempotency_key
        if result.state is State.UNKNOWN:
            self._doubtful.add(key)
        elif result.state is State.RETRYABLE and key in self._doubtful:
            return replace(result, state=State.UNKNOWN)
        else:
            self._doubtful.discard(key)
        return result

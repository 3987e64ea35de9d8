"""Amazon EventBridge: an event for each operation, with our key in its detail."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from reverse_etl.destinations._aws import Aws, entry_results
from reverse_etl.destinations._bus import message
from reverse_etl.destinations.base import Capabilities, Dedupe, batches, setting, whole_number
from reverse_etl.model import Kind, Operation, Request, Response, Result

LARGEST_BATCH = 10
TIME_BYTES = 14


@dataclass(frozen=True, kw_only=True)
class EventBridge(Aws):
    """`detail-type` is `kairos.moment`, `kairos.audience` or `kairos.profile`.

    EventBridge cannot tell a repeated event; rules and targets can, by `idempotency_key`.
    """

    name: ClassVar[str] = "eventbridge"
    service: ClassVar[str] = "events"

    bus: str = setting("default")
    source: str = setting("kairos")
    batch_bytes: int = setting(256_000, parse=whole_number)

    @cached_property
    def capabilities(self) -> Capabilities:
        """Ten entries; the quota of the region shows as throttling."""
        return Capabilities(
            dedupe={kind: Dedupe.NONE for kind in Kind},
            batch_count=LARGEST_BATCH,
            batch_bytes=self.batch_bytes,
        )

    def check(self, operation: Operation) -> str | None:
        """Refuse an event that is larger than a whole request may be."""
        size = _size(self._entry(operation))
        if size > self.batch_bytes:
            return f"it has {size} bytes, more than {self.batch_bytes}"
        return super().check(operation)

    def requests(self, operations: Sequence[Operation]) -> Iterable[Request]:
        """Entries by number and by size, as AWS counts it."""
        for batch in batches(
            ((operation, self._entry(operation)) for operation in operations),
            count=LARGEST_BATCH,
            size_bytes=self.batch_bytes,
            # the separator that is counted for other bodies is none of AWS's bytes
            size=lambda entry: _size(entry) - 1,
        ):
            yield Request(
                operations=tuple(operation for operation, _ in batch),
                url=self.bus,
                method="put_events",
                body={"Entries": [entry for _, entry in batch]},
            )

    def results(self, request: Request, response: Response) -> Sequence[Result] | None:
        """An answer of success says which entries failed, in their order."""
        return entry_results(response.json()["Entries"], len(request.operations))

    def probe(self) -> Request:
        """Describe the bus."""
        return Request(
            operations=(), url=self.bus, method="describe_event_bus", body={"Name": self.bus}
        )

    def _entry(self, operation: Operation) -> dict[str, Any]:
        return {
            "EventBusName": self.bus,
            "Source": self.source,
            "DetailType": f"kairos.{operation.kind}",
            "Detail": message(operation).decode(),
            "Time": operation.decided_at or operation.planned_at,
        }


def _size(entry: dict[str, Any]) -> int:
    texts = (entry["Source"], entry["DetailType"], entry["Detail"])
    return TIME_BYTES + sum(len(text.encode()) for text in texts)

"""Amazon Kinesis: a record for each operation, in the user's order."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from reverse_etl.destinations._aws import Aws, entry_results
from reverse_etl.destinations._bus import message
from reverse_etl.destinations.base import Capabilities, Dedupe, batches, setting, whole_number
from reverse_etl.model import Kind, Operation, Request, Response, Result

LARGEST_BATCH = 500
LARGEST_BATCH_BYTES = 5 * 1024 * 1024
LARGEST_KEY = 256


@dataclass(frozen=True, kw_only=True)
class Kinesis(Aws):
    """The partition key is the user's key. Kinesis cannot tell a repeated record; readers can."""

    name: ClassVar[str] = "kinesis"
    service: ClassVar[str] = "kinesis"

    stream: str = setting()
    batch_count: int = setting(LARGEST_BATCH, parse=whole_number)
    record_bytes: int = setting(1024 * 1024, parse=whole_number)

    @cached_property
    def capabilities(self) -> Capabilities:
        """Five hundred records and 5 MB; each shard has its own throughput."""
        return Capabilities(
            dedupe={kind: Dedupe.NONE for kind in Kind},
            batch_count=min(self.batch_count, LARGEST_BATCH),
            batch_bytes=LARGEST_BATCH_BYTES,
        )

    def check(self, operation: Operation) -> str | None:
        """Refuse a record that is larger than the stream takes."""
        size = _size(_record(operation))
        if size > self.record_bytes:
            return f"it has {size} bytes, more than {self.record_bytes}"
        return super().check(operation)

    def requests(self, operations: Sequence[Operation]) -> Iterable[Request]:
        """Records by number and by size, keys included."""
        limits = self.capabilities
        for batch in batches(
            ((operation, _record(operation)) for operation in operations),
            count=limits.batch_count,
            size_bytes=limits.batch_bytes,
            size=_size,
        ):
            yield Request(
                operations=tuple(operation for operation, _ in batch),
                url=self.stream,
                method="put_records",
                body={"StreamName": self.stream, "Records": [record for _, record in batch]},
            )

    def results(self, request: Request, response: Response) -> Sequence[Result] | None:
        """An answer of success says which records failed, in their order."""
        return entry_results(response.json()["Records"], len(request.operations))

    def probe(self) -> Request:
        """Describe the stream."""
        return Request(
            operations=(),
            url=self.stream,
            method="describe_stream_summary",
            body={"StreamName": self.stream},
        )


def _record(operation: Operation) -> dict[str, Any]:
    key = operation.user_key
    if len(key) > LARGEST_KEY:
        key = hashlib.sha256(key.encode()).hexdigest()
    return {"Data": message(operation), "PartitionKey": key}


def _size(record: dict[str, Any]) -> int:
    return len(record["Data"]) + len(record["PartitionKey"].encode())

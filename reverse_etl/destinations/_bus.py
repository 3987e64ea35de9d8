"""What the buses have in common: one message per operation, one result per message."""

import json
from collections.abc import Hashable, Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from typing import Any

from reverse_etl.destinations._vendor import VERBS, dumped
from reverse_etl.destinations.base import Destination
from reverse_etl.errors import LibraryMissing
from reverse_etl.model import Kind, Operation, Request, Response, Result, State


@dataclass(frozen=True, kw_only=True)
class Bus(Destination):
    """A destination that takes messages; whoever reads them knows them by their key."""

    def check(self, operation: Operation) -> str | None:
        """Refuse what no reader could make sense of."""
        if not operation.user_key:
            return "the user key is empty"
        if operation.kind == Kind.AUDIENCE and operation.operation not in VERBS:
            return f"a membership cannot {operation.operation}"
        return super().check(operation)

    def batch_key(self, operation: Operation) -> Hashable:
        """Everything can travel together: each message says what it is."""
        return "any"

    def results(self, request: Request, response: Response) -> Sequence[Result] | None:
        """Read what the transport says of each message."""
        return [Result(**{**row, "state": State(row["state"])}) for row in response.json()]


def library(module: str, extra: str) -> Any:
    """Import the client of a bus, or say which extra of ours brings it."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        raise LibraryMissing(
            f"the library {error.name} is not installed: pip install 'kairos[{extra}]'"
        ) from error


def message(operation: Operation) -> bytes:
    """Write the message of an operation: a JSON object, the same for every bus."""
    return dumped(
        {
            "idempotency_key": operation.idempotency_key,
            "kind": operation.kind,
            "operation": operation.operation,
            "object_key": operation.object_key,
            "user_id": operation.user_key,
            "decided_at": operation.decided_at and operation.decided_at.isoformat(),
            "payload": operation.payload,
        }
    )


def answered(results: Sequence[Result]) -> Response:
    """Give the results of messages as an answer that `Bus.results` reads."""
    return Response(200, {}, json.dumps([asdict(result) for result in results]).encode())


def refused(status: int, text: str) -> Response:
    """Give a refusal of the whole request, by the HTTP status of the same meaning."""
    return Response(status, {}, text.encode())

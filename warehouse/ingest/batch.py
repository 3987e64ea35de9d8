"""Several events in one JSON value: HTTP batch bodies and documents that are no JSON lines."""

import json
from typing import Any

SHARED_FIELDS = ("sentAt", "receivedAt", "context", "integrations")
"""Fields that a batch body states once for all of its messages; a message's own value wins."""


def events_of(value: Any) -> list[Any]:
    """Return the events in a JSON value: of an array, of a batch body, or the value itself."""
    if isinstance(value, list):
        return [event for element in value for event in events_of(element)]
    if not isinstance(value, dict) or not isinstance(value.get("batch"), list):
        return [value]
    shared = {name: value[name] for name in SHARED_FIELDS if name in value}
    return [_with_shared(shared, message) for message in value["batch"]]


def as_line(event: Any) -> bytes:
    """Write one event as a line of JSON."""
    return json.dumps(event, separators=(",", ":")).encode()


def _with_shared(shared: dict[str, Any], message: Any) -> Any:
    if not isinstance(message, dict):
        return message
    merged = {**shared, **message}
    contexts = (shared.get("context"), message.get("context"))
    if all(isinstance(context, dict) for context in contexts):
        merged["context"] = {**shared["context"], **message["context"]}
    return merged

"""Keep people and secrets out of what is shown, logged and kept."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

LONGEST_MESSAGE = 300
_EMAIL = re.compile(r"[\w.+%-]+@[\w-]+(\.[\w-]+)+")
_PLAIN_KEYS = frozenset(
    {"trigger_name", "channel", "tier", "content_key", "segment", "band", "locale", "moment_at"}
)
"""Payload fields that describe the message or a crowd, never one person."""


def mask(text: str) -> str:
    """Keep the first and the last character of something personal: `a***e`."""
    return f"{text[0]}***{text[-1]}" if len(text) > 2 else "***"


def mask_payload(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Keep the shape of a payload and mask its values, but for what describes the message."""
    return {key: _mask_value(key, value) for key, value in payload.items()}


def _mask_value(key: str, value: Any) -> Any:
    if value is None or isinstance(value, bool) or key in _PLAIN_KEYS:
        return value
    if isinstance(value, Mapping):
        return mask_payload(value)
    if isinstance(value, list):
        return [_mask_value(key, item) for item in value]
    return mask(value if isinstance(value, str) else json.dumps(value))


def redact(text: str, secrets: Iterable[str], people: Iterable[str] = ()) -> str:
    """Shorten a foreign message and take secrets, user keys and addresses out of it."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, "***")
    text = _EMAIL.sub("***", text[: LONGEST_MESSAGE * 4])
    for person in people:
        # a key of one or two characters would mask half of every word
        if len(person) > 2 and person in text:
            text = text.replace(person, mask(person))
    return " ".join(text.split())[:LONGEST_MESSAGE]

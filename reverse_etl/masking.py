"""Keep people and secrets out of what is shown, logged and kept."""

import csv
import json
import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from warehouse.home import PROJECT

PERSONAL_FIELDS = PROJECT / "seeds" / "personal_fields.csv"
LONGEST_MESSAGE = 300
_EMAIL = re.compile(r"[\w.+%-]+@[\w-]+(\.[\w-]+)+")
_PHONE = re.compile(r"\+\d[\d ().-]{6,18}\d")
_PLAIN_KEYS = frozenset(
    {"trigger_name", "channel", "tier", "content_key", "segment", "band", "locale", "moment_at"}
)
"""Payload fields that describe the message or a crowd, never one person."""


@cache
def personal_fields() -> frozenset[str]:
    """The names of columns and payload fields that `seeds/personal_fields.csv` calls personal."""
    with PERSONAL_FIELDS.open(newline="") as file:
        return frozenset(row["field_name"] for row in csv.DictReader(file))


def mask(text: str) -> str:
    """Keep the first and the last character of something personal: `a***e`."""
    return f"{text[0]}***{text[-1]}" if len(text) > 2 else "***"


def mask_payload(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Keep the shape of a payload and mask its values, but for what describes the message."""
    return {key: _mask_value(key, value) for key, value in payload.items()}


def mask_personal(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Mask the values of personal fields alone: for what is about a person whom one asked for."""
    personal = personal_fields()
    return {key: mask_all(value) if key in personal else value for key, value in fields.items()}


def mask_all(value: Any) -> Any:
    """Mask whatever it is, but keep its shape."""
    return _mask_value("", value)


def _mask_value(key: str, value: Any) -> Any:
    is_plain = key in _PLAIN_KEYS and key not in personal_fields()
    if value is None or isinstance(value, bool) or is_plain:
        return value
    if isinstance(value, Mapping):
        return mask_payload(value)
    if isinstance(value, list):
        return [_mask_value(key, item) for item in value]
    return mask(value if isinstance(value, str) else json.dumps(value))


def redact(text: str, secrets: Iterable[str], people: Iterable[str] = ()) -> str:
    """Shorten a foreign message; take secrets, user keys, addresses and phone numbers out of it."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, "***")
    text = _PHONE.sub("***", _EMAIL.sub("***", text[: LONGEST_MESSAGE * 4]))
    for person in people:
        # a key of one or two characters would mask half of every word
        if len(person) > 2 and person in text:
            text = text.replace(person, mask(person))
    return " ".join(text.split())[:LONGEST_MESSAGE]

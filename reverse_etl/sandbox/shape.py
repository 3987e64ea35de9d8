"""Shapes of JSON bodies: small checks that say in words what is wrong with a document."""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

Check = Callable[[Any], str | None]
"""A check gives None, or what is wrong."""


def text(value: Any) -> str | None:
    """Accept text that is not empty."""
    return None if isinstance(value, str) and value else "is not a text with something in it"


def number(value: Any) -> str | None:
    """Accept a number that is no boolean."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return None if is_number else "is not a number"


def boolean(value: Any) -> str | None:
    """Accept true and false."""
    return None if isinstance(value, bool) else "is not true or false"


def anything(value: Any) -> str | None:
    """Accept every value."""
    return None


def mapping(value: Any) -> str | None:
    """Accept an object."""
    return None if isinstance(value, Mapping) else "is not an object"


def flat(value: Any) -> str | None:
    """Accept an object whose values are no objects and no lists."""
    if not isinstance(value, Mapping):
        return "is not an object"
    nested = [name for name, item in value.items() if isinstance(item, dict | list)]
    return f"has nested values: {', '.join(nested)}" if nested else None


def iso_instant(value: Any) -> str | None:
    """Accept an instant in ISO 8601, with an offset."""
    try:
        return None if datetime.fromisoformat(value).tzinfo else "has no offset from UTC"
    except (TypeError, ValueError):
        return "is not an instant in ISO 8601"


def epoch_seconds(value: Any) -> str | None:
    """Accept whole seconds since 1970: milliseconds would lie in a far century."""
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    return None if is_whole and 0 < value < 10**11 else "is not a time in epoch seconds"


def epoch_milliseconds(value: Any) -> str | None:
    """Accept whole milliseconds since 1970: seconds would lie in January 1970."""
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    return None if is_whole and value > 10**11 else "is not a time in epoch milliseconds"


def matching(pattern: str, meaning: str) -> Check:
    """Make a check for text of one form."""
    compiled = re.compile(pattern)
    return lambda value: (
        None if isinstance(value, str) and compiled.fullmatch(value) else f"is not {meaning}"
    )


def one_of(*values: Any) -> Check:
    """Make a check for one of a few values."""
    return lambda value: None if value in values else f"is none of {', '.join(map(str, values))}"


def list_of(check: Check, low: int = 0, high: int | None = None) -> Check:
    """Make a check for a list, by its length and its items."""

    def check_list(value: Any) -> str | None:
        if not isinstance(value, list):
            return "is not a list"
        if len(value) < low or (high is not None and len(value) > high):
            return f"has {len(value)} items, outside {low} to {high if high is not None else 'any'}"
        for position, item in enumerate(value):
            if (fault := check(item)) is not None:
                return f"[{position}] {fault}"
        return None

    return check_list


def shaped(fields: Mapping[str, Check]) -> Check:
    """Make a check for an object of these fields; a name that ends in `?` may be missing.

    A field that no document names is a mistake of ours, so it is refused.
    """
    known = {name.removesuffix("?"): check for name, check in fields.items()}
    required = [name for name in fields if not name.endswith("?")]

    def check_object(value: Any) -> str | None:
        if not isinstance(value, Mapping):
            return "is not an object"
        for name in required:
            if name not in value:
                return f"misses {name}"
        for name, item in value.items():
            if name not in known:
                return f"has an unknown field {name}"
            if (fault := known[name](item)) is not None:
                return f".{name} {fault}"
        return None

    return check_object

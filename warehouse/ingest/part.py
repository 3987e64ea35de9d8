"""A part of a file, on the disk in a form that the warehouse reads by itself.

A part of JSON lines holds one object per row. What is none leaves an empty object in its place and
is kept as `Unreadable`, so that every row keeps the number of its line.
"""

import json
import re
from array import array
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from warehouse.ingest.batch import as_line, events_of
from warehouse.ingest.snowplow import enriched_event

LINE_LIMIT_BYTES = 1 << 20
"""A longer line is no event: it is set aside."""
KEPT_BYTES = 32 << 20
"""So much of a line that is set aside is kept."""

PLACEHOLDER = b"{}"
Kind = Literal["objects", "batches", "enriched"]
"""What a line holds: an object, an object or a body with many, or an enriched event in TSV."""

_ODD_LINE = re.compile(rb"\n[^{]")


@dataclass(frozen=True)
class Unreadable:
    """A line that is no event, and why: not_json, not_an_object, too_large or not_a_row."""

    line: int
    payload: str
    reason: str


@dataclass
class Part:
    """Some rows of a file."""

    path: Path
    next_line: int = 1
    """The number of the first line that is yet to come."""
    lines: "array[int]" = field(default_factory=lambda: array("q"))
    """The number of the line of each row."""
    byte_count: int = 0
    unreadable: list[Unreadable] = field(default_factory=list)
    placeholders: set[int] = field(default_factory=set)
    """Positions of rows, from 0, that stand for an unreadable or an empty line."""
    is_expanded: bool = False
    """Whether a line came to several rows, so that the lines do not follow each other."""

    def add_block(self, block: bytes, kind: Kind) -> bytes:
        """Take the next lines, which are whole; return the rows to be written."""
        self.byte_count += len(block)
        first = self.next_line
        self.next_line += block.count(b"\n")
        if _is_clean(block, kind):
            self.lines.extend(range(first, self.next_line))
            return block
        rows = [
            row
            for number, text in enumerate(block.split(b"\n")[:-1], start=first)
            for row in self._rows(text, number, kind)
        ]
        return b"\n".join([*rows, b""])

    def add_value(self, value: Any, line: int) -> bytes:
        """Take one event as a JSON value; return the row to be written."""
        return self._row(as_line(value), line, isinstance(value, dict))

    def _rows(self, line_text: bytes, line: int, kind: Kind) -> list[bytes]:
        text = line_text.strip()
        if not text:
            return [self._placeholder(line)]
        if kind == "enriched":
            return [self._enriched(line_text, line)]
        if text.startswith(b"{") and not (kind == "batches" and b'"batch"' in text):
            return [self._row(text, line, is_object=True)]
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            return [self._set_aside(text, line, "not_json")]
        events = events_of(value) if kind == "batches" and isinstance(value, dict) else [value]
        if events == [value]:
            return [self._row(text, line, isinstance(value, dict))]
        self.is_expanded = True
        return [self.add_value(event, line) for event in events] or [self._placeholder(line)]

    def _enriched(self, text: bytes, line: int) -> bytes:
        event = enriched_event(text.rstrip(b"\r").decode(errors="backslashreplace"))
        if event is None:
            return self._set_aside(text, line, "not_a_row")
        return self.add_value(event, line)

    def _row(self, text: bytes, line: int, is_object: bool) -> bytes:
        if len(text) > LINE_LIMIT_BYTES:
            return self._set_aside(text, line, "too_large")
        if not is_object:
            return self._set_aside(text, line, "not_an_object")
        try:
            text.decode()
        except UnicodeDecodeError:
            return self._set_aside(text, line, "not_json")
        self.lines.append(line)
        return text

    def _set_aside(self, text: bytes, line: int, reason: str) -> bytes:
        payload = text[:KEPT_BYTES].decode(errors="backslashreplace")
        self.unreadable.append(Unreadable(line, payload, reason))
        return self._placeholder(line)

    def _placeholder(self, line: int) -> bytes:
        self.placeholders.add(len(self.lines))
        self.lines.append(line)
        return PLACEHOLDER


def _is_clean(block: bytes, kind: Kind) -> bool:
    """Tell whether every line can go to the warehouse untouched, which is nearly always so."""
    return (
        kind != "enriched"
        and block.startswith(b"{")
        and _ODD_LINE.search(block) is None
        # a block is hardly longer than a line may be, so that this looks at few
        and (
            len(block) <= LINE_LIMIT_BYTES or max(map(len, block.split(b"\n"))) <= LINE_LIMIT_BYTES
        )
        and not (kind == "batches" and b'"batch"' in block)
        and _is_utf8(block)
    )


def _is_utf8(block: bytes) -> bool:
    try:
        block.decode()
    except UnicodeDecodeError:
        return False
    return True

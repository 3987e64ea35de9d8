"""What a stream is, by its content: its layout and its format."""

import csv
import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from warehouse.ingest.files import FileRefused
from warehouse.ingest.formats import AUTO, FORMATS, Format, recognise

SAMPLE_LINES = 200
DELIMITERS = ",;\t|"
PARQUET = b"PAR1"
UTF16 = (b"\xff\xfe", b"\xfe\xff")
SNOWPLOW_TABS = 100
"""An enriched event has 131 fields; no other file of ours is nearly as wide."""

Layout = Literal["lines", "document", "csv", "parquet", "enriched"]
_FIELD = re.compile(r'"([$\w]+)"\s*:')


@dataclass(frozen=True)
class Shape:
    """How to read a stream."""

    format: Format
    layout: Layout
    delimiter: str = ""
    fields: tuple[str, ...] = ()
    """The columns of a table, in their order."""
    ignored: tuple[str, ...] = ()
    """Fields of the sample for which its format has no place."""


def shape_of(name: str, sample: bytes, wanted: str) -> Shape:
    """Tell layout and format from the first bytes of a stream; `wanted` is a format or `auto`.

    Raises `FileRefused` when it cannot be told, or when the content is plainly of another format.
    """
    if sample.startswith(UTF16):
        raise FileRefused(name, "is UTF-16: convert it to UTF-8 first")
    if sample.count(0) > len(sample) // 20:
        raise FileRefused(name, "is no text: pass files of JSON lines, CSV or Parquet")
    text = sample.decode(errors="replace").lstrip()
    if not text:
        raise FileRefused(name, "is empty: there is nothing to take")
    lines = [line for line in text.split("\n", SAMPLE_LINES)[:SAMPLE_LINES] if line.strip()]
    records = [value for line in lines if isinstance(value := _parsed(line), dict)]
    # in a document written over many lines, some may look like a whole event
    is_document = text.startswith(("{", "[")) and _parsed(lines[0]) is None
    if records and not (is_document and 2 * len(records) < len(lines)):
        return _lines(name, records, wanted)
    if text.startswith(("{", "[")):
        names = set(_FIELD.findall(text))
        return Shape(_agreed(name, Counter([recognise(names, names)]), wanted), "document")
    if lines[0].count("\t") >= SNOWPLOW_TABS:
        return Shape(_agreed(name, Counter(["snowplow"]), wanted), "enriched")
    delimiter = max(DELIMITERS, key=lines[0].count)
    return table_shape(name, _header(lines[0], delimiter), wanted, delimiter)


def table_shape(name: str, fields: Sequence[str], wanted: str, delimiter: str = "") -> Shape:
    """Tell the format of a CSV file, or of a Parquet file where there is no delimiter.

    Raises `FileRefused` when it has no column of ours, or is plainly of another format.
    """
    names = {field.strip().lower() for field in fields}
    found = recognise(names)
    if found is None and wanted != AUTO and names & set(FORMATS[wanted].columns):
        found = wanted
    if found is None or not FORMATS[found].is_tabular:
        expected = "lines of JSON, or CSV with a header of" if delimiter else "Parquet with"
        raise FileRefused(
            name,
            f"should be {expected} the columns of events (event_id, event_name, event_at, "
            "...) or of users (user_id, ...), and is not: see what it is",
        )
    agreed = _agreed(name, Counter([found]), wanted)
    layout = "csv" if delimiter else "parquet"
    return Shape(agreed, layout, delimiter, tuple(fields), _without_place(agreed, fields))


def _lines(name: str, records: Sequence[dict[str, Any]], wanted: str) -> Shape:
    votes = Counter(
        recognise(record.keys(), properties.keys() if isinstance(properties, dict) else set())
        for record in records
        for properties in [record.get("properties")]
    )
    agreed = _agreed(name, votes, wanted)
    fields = dict.fromkeys(field for record in records for field in record)
    return Shape(agreed, "lines", ignored=_without_place(agreed, fields))


def _agreed(name: str, votes: Counter[str | None], wanted: str) -> Format:
    """Return the wanted format unless the records are all of another; on `auto`, the commonest."""
    known = Counter({found: count for found, count in votes.items() if found})
    if wanted != AUTO and (wanted in known or not known):
        return FORMATS[wanted]
    if not known:
        raise FileRefused(
            name, f"is in no format that we recognise: pass --format {'|'.join(FORMATS)}"
        )
    found = known.most_common(1)[0][0]
    if wanted not in (AUTO, found):
        raise FileRefused(
            name,
            f"is in the format {found}, not {wanted}: pass --format {found}, or leave it out",
        )
    return FORMATS[found]


def _without_place(found: Format, fields: Sequence[str] | dict[str, None]) -> tuple[str, ...]:
    if not found.is_tabular:
        return ()
    return tuple(field for field in fields if field.strip().lower() not in found.columns)


def _header(line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line.rstrip("\r")], delimiter=delimiter))
    except csv.Error:
        return []


def _parsed(line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None

"""A person taken out of a file that was ingested, and everybody else's rows left as they are."""

import csv
import gzip
import hashlib
import io
import json
import os
import re
import shutil
import zipfile
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import IO, Any

import duckdb

from warehouse.connection import sql_text
from warehouse.ingest.containers import DAMAGE, GZIP, ZIP, opened
from warehouse.ingest.content import Content
from warehouse.ingest.detect import PARQUET, Shape, shape_of
from warehouse.ingest.files import FileRefused
from warehouse.ingest.formats import AUTO
from warehouse.ingest.snowplow import enriched_event
from warehouse.ingest.spool import DOCUMENT_BYTES, spool_file

IDENTITY_FIELDS = frozenset(
    {
        *("user_id", "anonymous_id", "userid", "anonymousid", "previousid", "device_id"),
        *("domain_userid", "network_userid"),
    }
)
"""Fields, in lower case, that say whose an event is, in one of the formats we take."""
PROPERTY_FIELDS = frozenset({"distinct_id", "$user_id", "$device_id", "$identified_id", "$anon_id"})
"""The same, where a format keeps them among the properties of the event."""

SAMPLE_BYTES = 1 << 18
Write = Callable[[bytes], Any]


@dataclass(frozen=True)
class Wanted:
    """Who is to be taken out."""

    ids: frozenset[str]
    """Every id that stands for the person and for nobody else."""
    shared_ids: frozenset[str] = frozenset()
    """Browsers that somebody else signed in at too."""
    shared_lines: dict[str, frozenset[int]] = field(default_factory=dict)
    """By file, or entry of a zip: the lines of shared browsers that are the person's too."""

    def owns(self, event: Any, is_shared_line: bool = False) -> bool:
        """Whether the fields of an event that say whose it is name the person."""
        if not isinstance(event, dict):
            return False
        properties = event.get("properties")
        inner = properties if isinstance(properties, dict) else {}
        values = [value for name, value in event.items() if name.lower() in IDENTITY_FIELDS]
        values += [value for name, value in inner.items() if name in PROPERTY_FIELDS]
        # a browser without an id goes by Amplitude's own number for it, as staging says
        values += [f"amplitude:{event['amplitude_id']}"] if "amplitude_id" in event else []
        return any(self.is_id(value, is_shared_line) for value in values)

    def is_id(self, value: Any, is_shared_line: bool = False) -> bool:
        """Whether a value, which may be a number, is one of the ids."""
        text = str(value).strip() if isinstance(value, str | int) else None
        return text in self.ids or (is_shared_line and text in self.shared_ids)

    def is_mentioned(self, text: bytes) -> bool:
        """Whether a text names one of the ids, however it is escaped."""
        return bool((self._escaped if b"\\" in text else self._plain).search(text))

    @cached_property
    def _plain(self) -> re.Pattern[bytes]:
        # CSV doubles a quotation mark
        texts = [re.escape(text).replace('"', '""?') for text in self._texts]
        return re.compile("|".join(texts).encode())

    @cached_property
    def _escaped(self) -> re.Pattern[bytes]:
        return re.compile("|".join(map(spellings, self._texts)).encode())

    @property
    def _texts(self) -> list[str]:
        return sorted(map(as_written, self.ids | self.shared_ids))


def as_written(one: str) -> str:
    """The text of an id in a file: Amplitude's number of a browser has a prefix only in staging."""
    return one.removeprefix("amplitude:")


def spellings(text: str) -> str:
    """Write a regular expression, for Python and RE2, of every way to spell a text in JSON.

    Writers differ in what they escape: PHP `/`, .NET `+` and `'`, many whatever is not ASCII.
    """
    letters = []
    for letter in text:
        units = letter.encode("utf-16-be")
        escapes = "".join(rf"\\u(?i:{units[at : at + 2].hex()})" for at in range(0, len(units), 2))
        short = rf"|\\{re.escape(letter)}" if letter in '"\\/' else ""
        letters.append(f"(?:{re.escape(letter)}|{escapes}{short})")
    return "".join(letters)


@dataclass(frozen=True)
class Removed:
    """A file without the person, written but not yet in its place."""

    path: Path
    row_count: int
    """How many rows were the person's."""
    contents: tuple["Contents", ...]
    """What the file holds, or each entry of a zip."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing is left."""
        return not any(each.byte_count for each in self.contents)


@dataclass(frozen=True)
class Contents:
    """A stream, unpacked, before and after."""

    sha256_before: str
    sha256: str
    byte_count: int


def remove(path: Path, wanted: Wanted, folder: Path) -> Removed | None:
    """Write `path` without the person's rows into `folder`; None where they are not in it.

    What is left is the same byte for byte, but for a batch body or a document, which is written
    anew, and for Parquet and the compression of a file, whose rows are the same.
    Raises `FileRefused` for a file that holds the person and is in no format that we read, and for
    one that somebody writes to meanwhile.
    """
    target, kept = folder / "removed", folder / "kept"
    removed = 0
    contents: list[Contents] = []

    def keep(name: str, raw: io.BufferedReader, out: IO[bytes]) -> None:
        nonlocal removed
        is_packed = raw.peek(2)[:2] == GZIP
        stream = io.BufferedReader(gzip.GzipFile(fileobj=raw)) if is_packed else raw
        content = Content(stream, lambda: None)
        removed += _filtered(name, content, wanted, kept, folder)
        with kept.open("rb") as rest:
            sha256 = hashlib.file_digest(rest, "sha256").hexdigest()
            contents.append(Contents(content.sha256, sha256, rest.tell()))
            rest.seek(0)
            if is_packed:
                with gzip.GzipFile(filename="", mode="wb", fileobj=out, mtime=0) as packed:
                    shutil.copyfileobj(rest, packed)
            else:
                shutil.copyfileobj(rest, out)

    try:
        with opened(path) as source, target.open("wb") as out:
            raw = source.raw
            raw.seek(0)
            if raw.peek(4)[:4] != ZIP:
                keep(str(path), raw, out)
            else:
                with zipfile.ZipFile(raw) as before, zipfile.ZipFile(out, "w") as after:
                    for entry in before.infolist():
                        with before.open(entry) as inside, after.open(entry, "w") as outside:
                            keep(f"{path}/{entry.filename}", io.BufferedReader(inside), outside)
            out.flush()
            os.fsync(out.fileno())
    except DAMAGE as error:
        raise FileRefused(str(path), f"is damaged ({error}): look whether it names them") from error
    return Removed(target, removed, tuple(contents)) if removed else None


def _filtered(name: str, content: Content, wanted: Wanted, kept: Path, folder: Path) -> int:
    """Write to `kept` what stays of a stream; return how many rows do not."""
    sample = content.head(SAMPLE_BYTES, DOCUMENT_BYTES)
    shared = wanted.shared_lines.get(name, frozenset())
    if sample.startswith(PARQUET):
        part = spool_file(content, folder)
        return _without_parquet_rows(part.path, wanted, shared, kept)
    with kept.open("wb") as out:
        try:
            shape = shape_of(name, sample, AUTO)
        except FileRefused:
            return _unless_named(name, content, wanted, out.write)
        if shape.layout == "document":
            return _without_events(b"".join(iter(content.read, b"")), wanted, shared, out.write)
        removed = 0
        rows = _records(content) if shape.layout == "csv" else _lines(content)
        for number, row in enumerate(rows, start=1):
            rest, count = _rest_of_row(row, shape, wanted, number in shared)
            out.write(rest)
            removed += count
        return removed


def _rest_of_row(row: bytes, shape: Shape, wanted: Wanted, is_shared: bool) -> tuple[bytes, int]:
    """Say what of a row stays, and how many events do not."""
    if not wanted.is_mentioned(row):
        return row, 0
    text = row.rstrip(b"\r\n").decode(errors="replace")
    if shape.layout == "csv":
        values = next(csv.reader([text], delimiter=shape.delimiter), [])
        event: Any = dict(zip(shape.fields, values, strict=False))
    elif shape.layout == "enriched":
        event = enriched_event(text)
    else:
        try:
            event = json.loads(row)
        except (ValueError, RecursionError):
            # it was set aside, and who knows whose it is: it names the person
            return b"", 1
        rest, removed = _rest_of(event, lambda each: wanted.owns(each, is_shared))
        if not removed:
            return row, 0
        return (b"" if rest is None else _dumped(rest) + b"\n"), removed
    return (b"", 1) if wanted.owns(event, is_shared) else (row, 0)


def _rest_of(value: Any, is_theirs: Callable[[Any], bool]) -> tuple[Any, int]:
    """Take events out of an array, of a batch body, or of itself; None where nothing is left."""
    if isinstance(value, list):
        parts = [_rest_of(each, is_theirs) for each in value]
        rest = [part for part, _ in parts if part is not None]
        return rest or None, sum(removed for _, removed in parts)
    if isinstance(value, dict) and isinstance(value.get("batch"), list):
        batch, removed = _rest_of(value["batch"], is_theirs)
        return None if batch is None else {**value, "batch": batch}, removed
    return (None, 1) if is_theirs(value) else (value, 0)


def _without_events(text: bytes, wanted: Wanted, shared: Collection[int], write: Write) -> int:
    numbers = count(1)
    rest, removed = _rest_of(
        json.loads(text), lambda each: wanted.owns(each, next(numbers) in shared)
    )
    if not removed:
        write(text)
    elif rest is not None:
        write(_dumped(rest) + b"\n")
    return removed


def _without_parquet_rows(path: Path, wanted: Wanted, shared: Collection[int], kept: Path) -> int:
    with duckdb.connect() as connection:
        source = f"read_parquet({sql_text(str(path))}, file_row_number = true)"
        described = connection.execute(f"describe select * from {source}").fetchall()
        names = [f'trim(cast("{name}" as varchar))' for name, *_ in described
                 if name.lower() in IDENTITY_FIELDS]  # fmt: skip
        lines = ", ".join(map(str, sorted(shared))) or "null"
        theirs = " or ".join(
            f"coalesce({name} in {_list(wanted.ids)}, false) or coalesce("
            f"{name} in {_list(wanted.shared_ids)} and file_row_number + 1 in ({lines}), false)"
            for name in names
        )
        [(removed, left)] = connection.execute(
            f"select count(*) filter ({theirs}), count(*) filter (not ({theirs})) from {source}"
        ).fetchall()
        kept.write_bytes(b"")
        if left:
            connection.execute(
                f"copy (select * exclude (file_row_number) from {source} where not ({theirs})) "
                f"to {sql_text(str(kept))} (format parquet)"
            )
        return int(removed)


def _list(values: Collection[str]) -> str:
    return f"({', '.join(map(sql_text, sorted(values))) or 'null'})"


def _unless_named(name: str, content: Content, wanted: Wanted, write: Write) -> int:
    """Keep what is in no format of ours, unless the person is named in it."""
    for row in _lines(content):
        if wanted.is_mentioned(row):
            raise FileRefused(
                name, "names them and is in no format that we read: take them out by hand"
            )
        write(row)
    return 0


def _lines(content: Content) -> Iterator[bytes]:
    """Yield whole lines, each with its end."""
    rest = b""
    while block := content.read():
        *lines, rest = (rest + block).split(b"\n")
        yield from (line + b"\n" for line in lines)
    if rest:
        yield rest


def _records(content: Content) -> Iterator[bytes]:
    """Yield the records of a CSV file, of which a quoted field may hold ends of lines."""
    record = b""
    for line in _lines(content):
        record += line
        if record.count(b'"') % 2 == 0:
            yield record
            record = b""
    if record:
        yield record


def _dumped(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()

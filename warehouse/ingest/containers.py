"""Plain, gzip and zip: every file is a sequence of named streams, each with its own content."""

import gzip
import hashlib
import io
import os
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from warehouse.ingest.content import Content
from warehouse.ingest.files import FileRefused

GZIP, ZIP = b"\x1f\x8b", b"PK\x03\x04"
DAMAGE = (EOFError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile)
"""What a broken archive raises, when it is opened or while it is read."""

OTHER_COMPRESSION = {
    b"\x28\xb5\x2f\xfd": "zstd",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"\x04\x22\x4d\x18": "lz4",
}


@dataclass(frozen=True)
class Member:
    """One stream of a file: the file itself, or what one entry of a zip holds, unpacked."""

    name: str
    stream: io.BufferedReader


def members(path: Path, raw: io.BufferedReader) -> Iterator[Member]:
    """Yield the streams in an open file; each must be used before the next is asked for.

    `raw` stays open and may be asked for its position. Raises `FileRefused` for a damaged archive.
    """
    raw.seek(0)
    start = raw.peek(4)[:4]
    if not start:
        raise FileRefused(str(path), "is empty: there is nothing to take")
    if start.startswith(ZIP):
        yield from _zip_members(path, raw)
    else:
        yield Member(str(path), _unpacked(path, raw, start))


@dataclass(frozen=True)
class Source:
    """An open file and the hash of its bytes."""

    raw: io.BufferedReader
    sha256: str


@contextmanager
def opened(path: Path) -> Iterator[Source]:
    """Open a file, and see to it that nobody writes to it until it is closed.

    Raises `FileRefused` at the end when somebody did: what was read is then no file that ever was.
    """
    with path.open("rb") as raw:
        before = os.fstat(raw.fileno())
        yield Source(raw, hashlib.file_digest(raw, "sha256").hexdigest())
        after = os.fstat(raw.fileno())
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise FileRefused(
            str(path), "changed while it was read: offer it again when it is complete"
        )


def damage(error: Exception, content: Content | None) -> str:
    """Say what is wrong with a broken archive and how far it could be read."""
    cut = "it ends in the middle of its compressed data"
    what = cut if isinstance(error, EOFError) else str(error)
    after = f" after {content.readable_line_count:,} lines" if content else ""
    return f"is damaged{after} ({what}): nothing of it was taken, fetch the file again"


def _zip_members(path: Path, raw: io.BufferedReader) -> Iterator[Member]:
    with zipfile.ZipFile(raw) as archive:
        entries = [entry for entry in archive.infolist() if _is_content(entry)]
        if not entries:
            raise FileRefused(str(path), "is a zip without any content: there is nothing to take")
        for entry in entries:
            if entry.flag_bits & 0x1:
                raise FileRefused(str(path), "is an encrypted zip: unpack it first")
            try:
                stream = archive.open(entry)
            except NotImplementedError as error:
                raise FileRefused(str(path), f"cannot be unpacked ({error}): unpack it") from error
            with stream:
                buffered = io.BufferedReader(stream)
                name = f"{path}/{entry.filename}"
                yield Member(name, _unpacked(path, buffered, buffered.peek(4)))


def _is_content(entry: zipfile.ZipInfo) -> bool:
    parts = Path(entry.filename).parts
    is_hidden = any(part.startswith(".") or part == "__MACOSX" for part in parts)
    return not entry.is_dir() and entry.file_size > 0 and not is_hidden


def _unpacked(path: Path, raw: io.BufferedReader, start: bytes) -> io.BufferedReader:
    if start.startswith(GZIP):
        return io.BufferedReader(gzip.GzipFile(fileobj=raw), 1 << 20)
    for magic, name in OTHER_COMPRESSION.items():
        if start.startswith(magic):
            raise FileRefused(str(path), f"is compressed with {name}: unpack it, or use gzip")
    return raw

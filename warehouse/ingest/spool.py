"""Streams, cut into parts on the disk: memory stays the same however large a file is."""

import json
from collections.abc import Iterator
from pathlib import Path

from warehouse.ingest.batch import events_of
from warehouse.ingest.content import Content
from warehouse.ingest.files import FileRefused
from warehouse.ingest.part import KEPT_BYTES, Kind, Part

PART_BYTES = 128 << 20
DOCUMENT_BYTES = 32 << 20


def spool_lines(content: Content, folder: Path, kind: Kind) -> Iterator[Part]:
    """Write lines to parts, as objects of JSON; a part is gone once the next is asked for."""
    blocks = _blocks(content)
    while (part := _fill(blocks, content, folder, kind)).lines:
        yield part
        part.path.unlink()


def spool_document(content: Content, name: str, folder: Path) -> Part:
    """Write the events of one JSON document, an array or a batch body, to a part.

    Each event counts as a line. Raises `FileRefused` when the document is broken or so large that
    it does not belong into memory.
    """
    text = b""
    while block := content.read():
        text += block
        if len(text) > DOCUMENT_BYTES:
            raise FileRefused(
                name,
                f"is one JSON document of more than {DOCUMENT_BYTES >> 20} MiB: make it lines of "
                "JSON first, for instance with `jq -c '.[]'`",
            )
    content.line_count = text.count(b"\n")
    try:
        events = events_of(json.loads(text))
    except (ValueError, RecursionError) as error:
        raise FileRefused(
            name, f"is neither lines of JSON nor one JSON document ({error}): see how it was made"
        ) from error
    if not events:
        raise FileRefused(name, "is an empty JSON document: there is nothing to take")
    part = Part(folder / "part", byte_count=len(text))
    with part.path.open("wb") as target:
        for number, event in enumerate(events, start=1):
            target.write(part.add_value(event, number) + b"\n")
    return part


def spool_file(content: Content, folder: Path) -> Part:
    """Write a whole stream to one part, for the formats that cannot be cut at lines."""
    part = Part(folder / "part")
    with part.path.open("wb") as target:
        while block := content.read():
            part.byte_count += target.write(block)
            content.line_count += block.count(b"\n")
    return part


def _fill(blocks: Iterator[bytes], content: Content, folder: Path, kind: Kind) -> Part:
    part = Part(folder / "part", next_line=content.line_count + 1)
    with part.path.open("wb") as target:
        for block in blocks:
            target.write(part.add_block(block, kind))
            content.line_count = part.next_line - 1
            if part.byte_count >= PART_BYTES:
                break
    return part


def _blocks(content: Content) -> Iterator[bytes]:
    """Yield blocks of whole lines; of a line beyond all measure the middle is left out."""
    rest = bytearray()
    while data := content.read():
        end = data.rfind(b"\n") + 1
        if end:
            yield bytes(rest) + data[:end]
            rest = bytearray(data[end:])
        elif len(rest) < KEPT_BYTES:
            rest += data
    if rest:
        yield bytes(rest) + b"\n"

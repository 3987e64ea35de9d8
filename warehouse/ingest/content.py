"""What a stream holds: its hash, by which it is known again, and how much of it was read."""

import hashlib
from collections.abc import Callable
from io import BufferedReader
from typing import Any

BLOCK_BYTES = 1 << 20
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class Content:
    """Reads a stream block by block and remembers the hash of all that it read."""

    def __init__(self, stream: BufferedReader, on_read: Callable[[], Any]) -> None:
        """Read from `stream`; `on_read` is called after each block, to report progress."""
        self._stream = stream
        self._on_read = on_read
        self._hash = hashlib.sha256()
        self._ahead = b""
        self._under_way = bytearray()
        self.byte_count = 0
        self.line_count = 0

    @property
    def sha256(self) -> str:
        """The hash of what was read, unpacked: a gzip of a file is the same content as the file."""
        return self._hash.hexdigest()

    @property
    def readable_line_count(self) -> int:
        """Lines in all that was read, also where the rest cannot be."""
        return self.line_count + self._ahead.count(b"\n") + self._under_way.count(b"\n")

    def head(self, size: int, limit: int) -> bytes:
        """Look ahead without taking: at `size` bytes, or at one whole line of up to `limit`."""
        self._ahead = self._load(size).removeprefix(BYTE_ORDER_MARK)
        more = self._ahead
        while more and b"\n" not in more and len(self._ahead) < limit:
            more = self._load(BLOCK_BYTES)
            self._ahead += more
        return self._ahead

    def read(self) -> bytes:
        """Take the next block; empty at the end."""
        block, self._ahead = self._ahead, b""
        return block or self._load(BLOCK_BYTES)

    def _load(self, size: int) -> bytes:
        block = self._under_way = bytearray()
        # in small bites, because a damaged archive fails with all that it was asked for
        while len(block) < size and (bite := self._stream.read1(size - len(block))):
            self._hash.update(bite)
            self.byte_count += len(bite)
            block += bite
        self._under_way = bytearray()
        self._on_read()
        return bytes(block)

"""`ingest`: files into the raw tables, each one whole or not at all, and never twice."""

import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from tempfile import mkdtemp

from warehouse.clock import naive_utc
from warehouse.connection import connect
from warehouse.errors import KairosError
from warehouse.home import Home
from warehouse.ingest.files import FileRefused, find
from warehouse.ingest.formats import AUTO, require_known
from warehouse.ingest.loads import Load
from warehouse.ingest.take import Taker
from warehouse.landing import ensure_raw

OnProgress = Callable[[float, float, str], None]
"""Called as (bytes read, bytes in all, what is being read)."""


@dataclass
class Ingestion:
    """What became of everything that was offered."""

    taken: list[Load] = field(default_factory=list)
    known: list[Load] = field(default_factory=list)
    """Contents that had been taken before, perhaps under another name."""
    refused: list[FileRefused] = field(default_factory=list)
    skipped: list[Path] = field(default_factory=list)

    @property
    def row_count(self) -> int:
        """How many rows landed."""
        return sum(load.row_count for load in self.taken)

    @property
    def unreadable_count(self) -> int:
        """How many lines were set aside in `raw.unreadable_lines`."""
        return sum(load.unreadable_count for load in self.taken)


def ingest(
    home: Home,
    paths: Iterable[str],
    loaded_at: datetime,
    format: str = AUTO,
    on_progress: OnProgress = lambda done, total, text: None,
) -> Ingestion:
    """Take files, folders and globs into the raw tables; the caller holds `writer(home)`.

    Every file is one transaction. A file that cannot be taken is refused with a reason, and the
    others are still taken. Raises `KairosError` for what concerns all of them: an unknown format, a
    locked warehouse, a full disk.
    """
    require_known(format)
    found = find(paths)
    result = Ingestion(refused=list(found.refused), skipped=list(found.skipped))
    total = sum(_size(path) for path in found.files)
    done = 0
    with connect(home) as connection, _spool_folder(home) as folder:
        ensure_raw(connection)
        taker = Taker(connection, folder, naive_utc(loaded_at), format)
        for path in found.files:

            def on_read(position: int, path: Path = path, before: int = done) -> None:
                on_progress(before + position, total, path.name)

            try:
                taken, known = taker.take(path, on_read)
            except FileRefused as refusal:
                result.refused.append(refusal)
            else:
                result.taken += taken
                result.known += known
            done += _size(path)
    return result


@contextmanager
def _spool_folder(home: Home) -> Iterator[Path]:
    """Lend a folder beside the warehouse's overflow, without what a killed process left there."""
    parent = home.root / "tmp"
    try:
        parent.mkdir(mode=0o700, exist_ok=True)
        for left in parent.glob("spool-*"):
            shutil.rmtree(left, ignore_errors=True)
        folder = Path(mkdtemp(prefix="spool-", dir=parent))
    except OSError as error:
        raise KairosError(
            f"{parent} cannot be written: {error.strerror}; free some space, or set KAIROS_HOME"
        ) from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _size(path: Path) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0

"""Which files of the landing folder to take: new or changed ones, once they are complete."""

import os
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path

from duckdb import DuckDBPyConnection

Mark = tuple[int, int]
"""The size of a file in bytes, and its last change in ns since 1970."""

Marks = Mapping[str, Mark]
"""The mark of each file, by its path."""


def settled(files: Iterable[Path], now: datetime, quiet: timedelta) -> Marks:
    """Return the marks of those files that nobody has changed for as long as `quiet`."""
    limit = (now - quiet).timestamp()
    marks = {}
    for file in files:
        # a copy may keep the times of its original: the change of the inode is what counts
        if (status := _status(file)) and max(status.st_mtime, status.st_ctime) <= limit:
            marks[str(file)] = (status.st_size, status.st_mtime_ns)
    return marks


def new_files(files: Iterable[Path], known: Marks) -> list[Path]:
    """Return those that are not known, or not what they were."""
    return [
        file
        for file in files
        if (status := _status(file))
        and known.get(str(file)) != (status.st_size, status.st_mtime_ns)
    ]


def _status(file: Path) -> os.stat_result | None:
    try:
        return file.stat()
    except FileNotFoundError:
        return None  # renamed or taken away since it was listed


def wait_for(
    files: Iterable[Path],
    quiet: timedelta,
    patience: timedelta,
    clock: Callable[[], datetime],
    sleep: Callable[[float], None],
) -> tuple[Marks, list[str]]:
    """Wait until the files are settled, up to `patience`; return them and what still changes."""
    files = list(files)
    end = clock() + patience
    while True:
        marks = settled(files, clock(), quiet)
        growing = [str(file) for file in files if str(file) not in marks and _status(file)]
        if not growing or clock() >= end:
            return marks, growing
        sleep(quiet.total_seconds() / 5)


def remembered(connection: DuckDBPyConnection) -> Marks:
    """Return the marks of the files that were taken whole, or known from before."""
    rows = connection.execute(
        "select path, byte_count, modified_ns from raw.landing_files"
    ).fetchall()
    return {path: (byte_count, modified_ns) for path, byte_count, modified_ns in rows}


def remember(connection: DuckDBPyConnection, marks: Marks) -> None:
    """Keep the marks, so that the next run need not read these files to know them again."""
    rows = [(path, byte_count, modified_ns) for path, (byte_count, modified_ns) in marks.items()]
    if rows:
        connection.executemany("insert or replace into raw.landing_files values (?, ?, ?)", rows)

"""One file, one transaction: taken whole, or not at all, and once."""

import errno
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from duckdb import DuckDBPyConnection

from warehouse.clock import warehouse_text
from warehouse.errors import KairosError
from warehouse.ingest.containers import DAMAGE, Member, damage, members, opened
from warehouse.ingest.content import Content
from warehouse.ingest.files import FileRefused
from warehouse.ingest.land import land
from warehouse.ingest.loads import Load, decided_by, known_loads, record_loads
from warehouse.ingest.rows import Origin

DISK_TROUBLE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


@dataclass
class Taker:
    """Takes files over one connection; `folder` holds their parts in between."""

    connection: DuckDBPyConnection
    folder: Path
    loaded_at: datetime
    wanted: str

    def take(self, path: Path, on_read: Callable[[int], None]) -> tuple[list[Load], list[Load]]:
        """Take one file; return what landed of it, and what of it had been taken before.

        Raises `FileRefused`, with nothing taken.
        """
        known: list[Load] = []
        while True:
            self.connection.execute("begin")
            is_kept = False
            try:
                taken, again = self._try(path, on_read, known)
                if taken:
                    self._require_later_than_runs(path)
                if is_kept := not again:
                    record_loads(self.connection, taken, self.loaded_at)
            finally:
                self.connection.execute("commit" if is_kept else "rollback")
            # a hash is known only once all is read: go back, and leave out what is there already
            known += again
            if is_kept or not taken:
                return taken, known

    def _try(
        self, path: Path, on_read: Callable[[int], None], left_out: list[Load]
    ) -> tuple[list[Load], list[Load]]:
        taken: list[Load] = []
        again: list[Load] = []
        names = {load.source_file for load in left_out}
        content: Content | None = None
        try:
            with opened(path) as source:
                if before := known_loads(self.connection, file_sha256=source.sha256):
                    return [], [replace(load, source_file=str(path)) for load in before]
                for member in members(path, source.raw):
                    if member.name in names:
                        continue
                    content = Content(member.stream, lambda: on_read(source.raw.tell()))
                    load = self._land(member, content, source.sha256)
                    is_double = any(load.content_sha256 == each.content_sha256 for each in taken)
                    is_known = known_loads(self.connection, content_sha256=load.content_sha256)
                    (again if is_known or is_double else taken).append(load)
        except DAMAGE as error:
            raise FileRefused(str(path), damage(error, content)) from error
        except OSError as error:
            if error.errno in DISK_TROUBLE:
                raise KairosError(
                    f"{self.folder} cannot be written: {error.strerror}; free some space, "
                    "or set KAIROS_HOME to another disk"
                ) from error
            raise FileRefused(str(path), f"cannot be read: {error.strerror or error}") from error
        return taken, again

    def _require_later_than_runs(self, path: Path) -> None:
        """Refuse what would have been there for decisions that were made without it."""
        decided_at = decided_by(self.connection)
        if decided_at is not None and self.loaded_at < decided_at:
            raise FileRefused(
                str(path),
                f"it cannot have arrived at {warehouse_text(self.loaded_at)}: the run of "
                f"{warehouse_text(decided_at)} decided without it; take it in as of a later "
                "instant, its events may be as old as they like",
            )

    def _land(self, member: Member, content: Content, file_sha256: str) -> Load:
        origin = Origin(member.name, self.loaded_at)
        shape, landed = land(self.connection, content, self.folder, self.wanted, origin)
        return Load(
            content_sha256=content.sha256,
            format=shape.format.name,
            source_file=member.name,
            byte_count=content.byte_count,
            row_count=landed.row_count,
            unreadable_count=landed.unreadable_count,
            file_sha256=file_sha256,
            ignored=shape.ignored,
        )

"""Who holds a claim, and whether that process still lives.

A lease has a term that its owner renews, and beside it a lock that the operating system (SQLite)
or the server (PostgreSQL) lets go when the process dies: after `kill -9` the next run need not
wait for the term.
"""

import hashlib
import threading
from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa
from filelock import FileLock, Timeout

from reverse_etl.ledger import schema


def lock_number(text: str) -> int:
    """A signed 64-bit number for an advisory lock, the same in every process."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), signed=True)


class Liveness:
    """Locks that die with their process: files beside a SQLite ledger, else advisory locks."""

    def __init__(self, engine: sa.Engine) -> None:
        """Use `engine` for PostgreSQL; find the folder of lock files for SQLite."""
        self.engine = engine
        self.is_sqlite = engine.dialect.name == "sqlite"
        self.folder = Path(f"{engine.url.database}-owners") if self.is_sqlite else None

    def hold(self, owner_id: str) -> Callable[[], None]:
        """Take the lock of `owner_id`; call the answer to let it go."""
        if self.folder is not None:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = FileLock(self.folder / f"{owner_id}.lock")
            lock.acquire(timeout=0)

            def release() -> None:
                lock.release()
                Path(lock.lock_file).unlink(missing_ok=True)

            return release

        connection = self.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        connection.execute(sa.select(sa.func.pg_advisory_lock(lock_number(owner_id))))

        def disconnect() -> None:
            # the server lets the lock go with its session; a pooled one would keep it
            connection.invalidate()
            connection.close()

        return disconnect

    def is_dead(self, owner_id: str, connection: sa.Connection) -> bool:
        """Whether nobody holds the lock of `owner_id` any more."""
        if self.folder is not None:
            path = self.folder / f"{owner_id}.lock"
            if not path.exists():
                return True
            lock = FileLock(path)
            try:
                lock.acquire(timeout=0)
            except Timeout:
                return False
            lock.release()
            path.unlink(missing_ok=True)
            return True
        number = lock_number(owner_id)
        is_free = connection.scalar(sa.select(sa.func.pg_try_advisory_lock(number)))
        if is_free:
            connection.execute(sa.select(sa.func.pg_advisory_unlock(number)))
        return bool(is_free)


class Owner:
    """A dispatcher's claim on what it sends: renewed while it lives, let go when it ends."""

    def __init__(
        self,
        owner_id: str,
        liveness: Liveness,
        renew: Callable[[str], None],
        forget: Callable[[str], None],
        term_seconds: float,
    ) -> None:
        """Nothing is taken before `__enter__`."""
        self.owner_id = owner_id
        self._liveness = liveness
        self._renew = renew
        self._forget = forget
        self._term_seconds = term_seconds
        self._ended = threading.Event()

    def __enter__(self) -> str:
        """Take the lock first: a row without a lock would look like a dead owner's."""
        self._release = self._liveness.hold(self.owner_id)
        self._renew(self.owner_id)
        self._thread = threading.Thread(target=self._beat, name="kairos-lease", daemon=True)
        self._thread.start()
        return self.owner_id

    def _beat(self) -> None:
        while not self._ended.wait(self._term_seconds / 3):
            try:
                self._renew(self.owner_id)
            except Exception:  # the term ends by itself, and the fence holds
                continue

    def __exit__(self, *_: object) -> None:
        """Give back what was claimed and not sent, then the lock."""
        self._ended.set()
        self._thread.join()
        try:
            self._forget(self.owner_id)
        finally:
            self._release()


def is_alive(connection: sa.Connection, liveness: Liveness, owner_id: str, now: float) -> bool:
    """Whether `owner_id` still holds what it claimed: its term runs and its lock is held."""
    until = connection.scalar(
        sa.select(schema.owners.c.lease_until).where(schema.owners.c.owner_id == owner_id)
    )
    return until is not None and until > now and not liveness.is_dead(owner_id, connection)

"""SQLite in WAL mode or PostgreSQL: transactions, and what the two say differently."""

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from reverse_etl.errors import LedgerUnavailable
from reverse_etl.ledger import migrations
from reverse_etl.ledger.owners import lock_number

BUSY_TIMEOUT_MS = 60_000
WRITERS = lock_number("kairos ledger writers")
CREATION = lock_number("kairos ledger creation")


class Database:
    """The tables of a ledger, which are there once it is open. Safe to share among threads."""

    def __init__(self, engine: sa.Engine) -> None:
        """Use `Database.open`."""
        self.engine = engine
        self.is_sqlite = engine.dialect.name == "sqlite"
        self.insert = sqlite.insert if self.is_sqlite else postgresql.insert
        self.mark = "?" if self.is_sqlite else "%s"
        # SQLite has one writer: threads of this process queue here instead of polling the file
        self._turn = threading.RLock()

    @classmethod
    def open(cls, url: str) -> "Database":
        """Open the database at a SQLAlchemy URL and create or bring forward its tables.

        LedgerUnavailable, without the password of the URL, where that cannot be done; LedgerTooNew
        where a newer Kairos was here.
        """
        try:
            database = cls(_engine(sa.make_url(url)))
            database._create()
        except (sa.exc.SQLAlchemyError, OSError, ImportError) as error:
            raise LedgerUnavailable(
                f"the ledger at {_safe(url)} cannot be opened ({_reason(error)}): "
                "check KAIROS_LEDGER_URL and that its database is up"
            ) from error
        return database

    def _create(self) -> None:
        with self.read() as connection:
            if migrations.is_current(connection):
                return
        with self.write() as connection:
            # whoever opens it at the same time waits here, and then finds nothing left to do
            if not self.is_sqlite:
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(CREATION)))
            migrations.migrate(connection)

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """One transaction that writes, alone on SQLite, announced to readers on PostgreSQL."""
        try:
            if self.is_sqlite:
                with self._turn, self.engine.begin() as connection:
                    yield connection
            else:
                with self.engine.begin() as connection:
                    # before any row lock: whoever reads the log waits for those who write it
                    connection.exec_driver_sql(f"select pg_advisory_xact_lock_shared({WRITERS})")
                    yield connection
        except sa.exc.OperationalError as error:
            raise LedgerUnavailable(
                f"the ledger at {_safe(self.engine.url)} cannot be written ({_reason(error)}): "
                "run the command again, nothing that was sent is forgotten"
            ) from error

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """One transaction that only reads."""
        with self.engine.connect().execution_options(kairos_reads=True) as connection:
            yield connection

    def horizon(self, connection: sa.Connection, column: sa.Column[int]) -> int:
        """The highest number below which no transaction can still add one.

        PostgreSQL hands out numbers before their transactions commit, in any order. Whoever writes
        shares a lock, so taking it alone for a moment means that no number is on its way.
        """
        if not self.is_sqlite:
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(WRITERS)))
        horizon = connection.scalar(sa.select(sa.func.max(column))) or 0
        connection.rollback()
        return horizon

    def run(self, connection: sa.Connection, statement: str, values: Sequence[Any]) -> list[Any]:
        """Run SQL with `?` for values; answers its first column."""
        marked = statement.replace("?", self.mark)
        return list(connection.exec_driver_sql(marked, tuple(values)).scalars().all())

    def listed(self, keys: Sequence[str]) -> Any:
        """Many keys as one parameter, whatever their number."""
        return json.dumps(list(keys)) if self.is_sqlite else list(keys)

    def among(self, column: sa.Column[Any], keys: Sequence[Any]) -> sa.ColumnElement[bool]:
        """Whether a column holds one of many keys, as one parameter whatever their number."""
        if self.is_sqlite:
            each = sa.func.json_each(self.listed(keys)).table_valued("value")
            return column.in_(sa.select(each.c.value))
        return column == sa.any_(sa.bindparam(None, list(keys), type_=sa.ARRAY(column.type)))


def _safe(url: str | sa.URL) -> str:
    try:
        return sa.make_url(url).render_as_string(hide_password=True)
    except sa.exc.ArgumentError:
        return "KAIROS_LEDGER_URL"


def _reason(error: Exception) -> str:
    return str(getattr(error, "orig", None) or error).strip().splitlines()[0]


def _engine(url: sa.URL) -> sa.Engine:
    if url.drivername in ("postgres", "postgresql"):
        # as most people write it; the driver that we bring is this one
        url = url.set(drivername="postgresql+psycopg")
    if url.get_backend_name() not in ("postgresql", "sqlite"):
        raise OSError("a ledger is SQLite or PostgreSQL: postgresql://user:password@host/database")
    if url.get_backend_name() != "sqlite":
        return sa.create_engine(url, pool_size=8, max_overflow=64, pool_pre_ping=True)
    if not url.database:
        raise OSError("a ledger in memory would forget what it sent")
    path = Path(url.database)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.touch(mode=0o600, exist_ok=True)
    engine = sa.create_engine(url, pool_size=8, max_overflow=64)

    @sa.event.listens_for(engine, "connect")
    def configure(connection: Any, _: Any) -> None:
        # BEGIN is ours (below), not the driver's
        connection.isolation_level = None
        connection.execute(f"pragma busy_timeout = {BUSY_TIMEOUT_MS}")
        connection.execute("pragma journal_mode = wal")
        # a send must not be forgotten when the power fails, or it would be repeated
        connection.execute("pragma synchronous = full")
        # what is erased must not stay readable in the file
        connection.execute("pragma secure_delete = on")

    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        reads = connection.get_execution_options().get("kairos_reads")
        connection.exec_driver_sql("begin" if reads else "begin immediate")

    return engine

"""Brings the tables of a ledger to the version that this code reads, forward only.

A new ledger is made as `schema.py` describes it; an older one goes through the steps between its
version and ours. A step may only add, or change what no earlier version reads: a dispatcher of the
version before may still be at work. A test compares both ways.
"""

from collections.abc import Callable

import sqlalchemy as sa

from reverse_etl.errors import LedgerTooNew
from reverse_etl.ledger import schema


def _note_prunings(connection: sa.Connection) -> None:
    schema.prunings.create(connection, checkfirst=True)


def _note_fields(connection: sa.Connection) -> None:
    for table in (schema.operations, schema.changes):
        connection.exec_driver_sql(f"alter table {table.name} add column field_names text")


STEPS: tuple[tuple[int, Callable[[sa.Connection], None]], ...] = (
    (2, _note_prunings),
    (3, _note_fields),
)
"""The version that each step leads to, in order; version 1 had no number."""

VERSION = STEPS[-1][0]


def version_of(connection: sa.Connection) -> int:
    """The version of the ledger's tables: 0 where there are none."""
    tables = set(sa.inspect(connection).get_table_names())
    if schema.versions.name in tables:
        return connection.scalar(sa.select(sa.func.max(schema.versions.c.version))) or 0
    return 1 if schema.operations.name in tables else 0


def is_current(connection: sa.Connection) -> bool:
    """Whether nothing is to be done; LedgerTooNew where a newer Kairos wrote here."""
    version = version_of(connection)
    if version > VERSION:
        raise LedgerTooNew(
            f"the ledger has version {version} and this Kairos knows {VERSION}: a newer Kairos "
            "has changed it. Install that one again, or point KAIROS_LEDGER_URL elsewhere"
        )
    return version == VERSION


def migrate(connection: sa.Connection) -> None:
    """Bring the tables to `VERSION`, in the transaction of a caller who is alone here."""
    if is_current(connection):
        return
    version = version_of(connection)
    if version == 0:
        schema.metadata.create_all(connection)
    else:
        schema.versions.create(connection, checkfirst=True)
        for reached, step in STEPS:
            if reached > version:
                step(connection)
    connection.execute(schema.versions.delete())
    connection.execute(schema.versions.insert().values(version=VERSION))

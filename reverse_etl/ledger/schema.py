"""The ledger's tables: operations as they stand, and the log of every change to them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


def to_micros(instant: datetime) -> int:
    """Microseconds since 1970, exact: caps are half-open to the microsecond."""
    return (instant - EPOCH) // MICROSECOND


def from_micros(micros: int) -> datetime:
    """The aware UTC instant of a number of microseconds since 1970."""
    return EPOCH + timedelta(microseconds=micros)


class Instant(sa.types.TypeDecorator[datetime]):
    """An aware UTC datetime, kept as microseconds: exact on both databases."""

    impl = sa.BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> int | None:
        """Write microseconds."""
        return None if value is None else to_micros(value)

    def process_result_value(self, value: int | None, dialect: Any) -> datetime | None:
        """Read an aware UTC datetime."""
        return None if value is None else from_micros(value)


metadata = sa.MetaData()

# SQLite numbers rows only through INTEGER, PostgreSQL outgrows it
Sequence = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _operation_columns() -> list[sa.Column[Any]]:
    return [
        sa.Column("run_id", sa.Text, nullable=False),
        sa.Column("destination", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("operation", sa.Text, nullable=False),
        sa.Column("object_key", sa.Text, nullable=False),
        sa.Column("user_key", sa.Text, nullable=False),
        sa.Column("decision_id", sa.Text),
        sa.Column("payload_hash", sa.Text),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("attempt_count", sa.Integer, nullable=False),
        sa.Column("planned_at", Instant, nullable=False),
        sa.Column("sent_at", Instant),
        sa.Column("acknowledged_at", Instant),
        sa.Column("expires_at", Instant),
        sa.Column("http_status", sa.Integer),
        sa.Column("error_code", sa.Text),
        sa.Column("error_message", sa.Text),
        sa.Column("scope", sa.Text),
        sa.Column("counts_toward_caps", sa.Boolean, nullable=False),
        # of a profile, what the platform holds after it; an older Kairos did not note that
        sa.Column("field_names", sa.Text),
    ]


operations = sa.Table(
    "operations",
    metadata,
    sa.Column("idempotency_key", sa.Text, primary_key=True),
    sa.Column("operation_id", sa.Text, nullable=False),
    *_operation_columns(),
    # who may send it: a dispatcher's name, taken over only when that dispatcher is gone
    sa.Column("owner_id", sa.Text),
    sa.Index("operations_by_owner", "owner_id"),
    sa.Index("operations_by_user", "user_key"),
)

changes = sa.Table(
    "operation_changes",
    metadata,
    sa.Column("sequence", Sequence, primary_key=True, autoincrement=True),
    sa.Column("idempotency_key", sa.Text, nullable=False),
    sa.Column("operation_id", sa.Text, nullable=False),
    *_operation_columns(),
    # SQLite would otherwise give the number of a deleted last row to the next one
    sqlite_autoincrement=True,
)

LOGGED = [column.name for column in changes.columns if column.name != "sequence"]
"""The columns that a change copies from its operation."""

runs = sa.Table(
    "runs",
    metadata,
    sa.Column("run_id", sa.Text, primary_key=True),
    sa.Column("destination", sa.Text, nullable=False),
    sa.Column("owner_id", sa.Text, nullable=False),
    sa.Column("started_at", Instant, nullable=False),
    sa.Column("finished_at", Instant),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("counts", sa.Text),
    sa.Column("request_count", sa.Integer),
)

run_changes = sa.Table(
    "run_changes",
    metadata,
    sa.Column("sequence", Sequence, primary_key=True, autoincrement=True),
    sa.Column("run_id", sa.Text, nullable=False),
    sqlite_autoincrement=True,
)

reservations = sa.Table(
    "reservations",
    metadata,
    sa.Column("decision_id", sa.Text, primary_key=True),
    sa.Column("user_key", sa.Text, nullable=False),
    sa.Column("account_id", sa.Text),
    sa.Column("session_id", sa.Text),
    sa.Column("scope", sa.Text),
    sa.Column("reserved_at", Instant, nullable=False),
    sa.Column("released_at", Instant),
    sa.Column("counts_toward_caps", sa.Boolean, nullable=False),
    sa.Index("reservations_by_user", "user_key", "reserved_at"),
    sa.Index("reservations_by_account", "account_id", "reserved_at"),
    sa.Index("reservations_by_session", "session_id"),
)

owners = sa.Table(
    "owners",
    metadata,
    sa.Column("owner_id", sa.Text, primary_key=True),
    # epoch seconds of the real clock: liveness has nothing to do with `--as-of`
    sa.Column("lease_until", sa.Float, nullable=False),
)

versions = sa.Table(
    "schema_version",
    metadata,
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
)
"""One row: how far these tables are; `migrations.py` has the steps."""

prunings = sa.Table(
    "prunings",
    metadata,
    sa.Column("pruned_at", Instant, primary_key=True, autoincrement=False),
    sa.Column("row_count", sa.BigInteger, nullable=False),
)
"""When old rows were last taken out: once a day is enough."""

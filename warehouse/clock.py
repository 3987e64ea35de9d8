"""Instants: aware and in UTC inside Python, naive UTC text in the warehouse."""

from datetime import UTC, datetime

from warehouse.errors import KairosError

WAREHOUSE_FORMAT = "%Y-%m-%d %H:%M:%S.%f"


class NoInstant(KairosError):
    """Text that is no instant."""


def parse_instant(text: str) -> datetime:
    """Read ISO 8601, with an offset or in UTC without one; raise `NoInstant` for anything else."""
    try:
        return as_utc(datetime.fromisoformat(text.strip()))
    except ValueError as error:
        raise NoInstant(
            f"{text!r} is no instant: write it like 2026-01-31T12:00:00Z "
            "(ISO 8601; without an offset it is UTC)"
        ) from error


def as_utc(instant: datetime) -> datetime:
    """Return the instant in UTC; a naive one already is."""
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)


def naive_utc(instant: datetime) -> datetime:
    """Return the instant as the warehouse keeps it: UTC, without a zone."""
    return as_utc(instant).replace(tzinfo=None)


def warehouse_text(instant: datetime) -> str:
    """Return the instant as a timestamp literal of the warehouse."""
    return naive_utc(instant).strftime(WAREHOUSE_FORMAT)

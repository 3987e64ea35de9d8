"""The raw tables, which exist from the first command on, so that an empty warehouse builds."""

from pathlib import Path

import duckdb

RAW_TABLES = Path(__file__).with_name("raw.sql")


def ensure_raw(connection: duckdb.DuckDBPyConnection) -> None:
    """Create every table of the `raw` schema that is not there yet."""
    connection.execute(RAW_TABLES.read_text())

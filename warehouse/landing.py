"""The raw tables, which exist from the first command on, so that an empty warehouse builds."""

from functools import cache
from pathlib import Path

import duckdb

RAW_TABLES = Path(__file__).with_name("raw.sql")

Column = tuple[str, str]
"""A table of the `raw` schema, and one of its columns."""


def ensure_raw(connection: duckdb.DuckDBPyConnection) -> None:
    """Create every table of the `raw` schema that is not there yet, and every column.

    Of what an older version landed, new columns are null.
    """
    connection.execute(RAW_TABLES.read_text())
    there = raw_columns(connection)
    for (table, column), data_type in expected_columns().items():
        if (table, column) not in there:
            connection.execute(f"alter table raw.{table} add column {column} {data_type}")


def raw_columns(connection: duckdb.DuckDBPyConnection) -> dict[Column, str]:
    """The columns of the `raw` schema of a warehouse, with their types."""
    rows = connection.execute(
        "select table_name, column_name, data_type from duckdb_columns() "
        "where database_name = current_database() and schema_name = 'raw' "
        "order by table_name, column_index"
    ).fetchall()
    return {(table, column): data_type for table, column, data_type in rows}


@cache
def expected_columns() -> dict[Column, str]:
    """The columns of the `raw` schema as this version knows them, with their types."""
    with duckdb.connect() as connection:
        connection.execute(RAW_TABLES.read_text())
        return raw_columns(connection)

"""CSV and Parquet, landed through the warehouse's own readers."""

import duckdb
from duckdb import DuckDBPyConnection

from warehouse.connection import sql_text
from warehouse.ingest.detect import Shape, table_shape
from warehouse.ingest.files import FileRefused
from warehouse.ingest.part import Part, Unreadable
from warehouse.ingest.rows import Landed, Lines, Origin, insert, set_aside

LINE_LIMIT_BYTES = 16 << 20
NESTED = ("struct", "map", "union")


def parquet_shape(
    connection: DuckDBPyConnection, part: Part, name: str, wanted: str
) -> tuple[Shape, dict[str, str]]:
    """Tell the format of a Parquet file, and the type of each of its columns.

    Raises `FileRefused` when it is damaged or has no column of ours.
    """
    try:
        described = connection.execute(f"describe select * from {_parquet(part)}").fetchall()
    except duckdb.Error as error:
        raise FileRefused(name, f"is a damaged Parquet file ({_words(error, part)})") from error
    types = {row[0]: str(row[1]).lower() for row in described}
    return table_shape(name, list(types), wanted), types


def land_parquet(
    connection: DuckDBPyConnection, part: Part, shape: Shape, types: dict[str, str], origin: Origin
) -> Landed:
    """Insert the rows of a Parquet file; its first row is line 1."""
    fields = {
        name.strip().lower(): (f"to_json({_quoted(name)})" if _is_nested(kind) else _quoted(name))
        for name, kind in types.items()
    }
    relation = f"""
        select file_row_number + 1 as position, {_fields(shape, fields)}
        from read_parquet({sql_text(str(part.path))}, file_row_number = true)
    """
    try:
        return Landed(insert(connection, shape.format, origin, relation, Lines()))
    except duckdb.InvalidInputException as error:
        raise FileRefused(
            origin.source_file, f"is a damaged Parquet file ({_words(error, part)})"
        ) from error


def land_csv(connection: DuckDBPyConnection, part: Part, shape: Shape, origin: Origin) -> Landed:
    """Insert the records of a CSV file; the header is line 1, and each record counts as a line.

    Records that do not fit the header are set aside with reason `not_a_row`.
    """
    # by place and not by name: headers hold empty names, and the same one twice
    columns = ", ".join(f"c{place}: 'varchar'" for place in range(len(shape.fields)))
    fields: dict[str, str] = {}
    for place, name in enumerate(shape.fields):
        fields.setdefault(name.strip().lower(), f"c{place}")
    relation = f"""
        select row_number() over () as position, {_fields(shape, fields)}
        from read_csv(
            {sql_text(str(part.path))}, columns = {{{columns}}}, auto_detect = false, header = true,
            delim = {sql_text(shape.delimiter)}, quote = '"', escape = '"', nullstr = '',
            max_line_size = {LINE_LIMIT_BYTES}, store_rejects = true
        )
    """
    try:
        count = insert(connection, shape.format, origin, relation, Lines(first=2))
        rejected = _rejected(connection)
    except duckdb.InvalidInputException as error:
        raise FileRefused(
            origin.source_file, f"cannot be read as CSV ({_words(error, part)})"
        ) from error
    set_aside(connection, shape.format, origin, rejected)
    return Landed(count, len(rejected))


def _rejected(connection: DuckDBPyConnection) -> list[Unreadable]:
    rows = connection.execute(
        """
        select line, any_value(csv_line) from reject_errors group by line order by line
        """
    ).fetchall()
    connection.execute("drop table if exists reject_errors; drop table if exists reject_scans")
    return [Unreadable(line, payload or "", "not_a_row") for line, payload in rows]


def _fields(shape: Shape, available: dict[str, str]) -> str:
    return ", ".join(
        f"cast({available.get(name, 'null')} as varchar) as {name}" for name in shape.format.columns
    )


def _parquet(part: Part) -> str:
    return f"read_parquet({sql_text(str(part.path))})"


def _is_nested(kind: str) -> bool:
    return kind.startswith(NESTED) or kind.endswith("]")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _words(error: Exception, part: Part) -> str:
    return str(error).strip().splitlines()[0].replace(str(part.path), "it")

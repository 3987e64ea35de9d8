"""Parts of JSON objects, landed as they are or field by field."""

from collections.abc import Iterator

from duckdb import DuckDBPyConnection

from warehouse.connection import sql_text
from warehouse.ingest.formats import Format
from warehouse.ingest.part import Part, Unreadable
from warehouse.ingest.rows import Landed, Lines, Origin, insert, insert_empty, set_aside

OBJECT_LIMIT_BYTES = 2 << 20


def land_objects(
    connection: DuckDBPyConnection, part: Part, format: Format, origin: Origin
) -> Landed:
    """Insert the objects of a part; every row of it lands or is set aside."""
    lines = Lines(first=part.lines[0], listed=part.lines if part.is_expanded else None)
    # rows without any known field are rare: placeholders, broken objects and empty ones
    filled = f"select * from ({_relation(part, format)}) where {_is_filled(format)}"
    count = insert(connection, format, origin, filled, lines)
    unreadable = list(part.unreadable)
    if count + len(part.placeholders) < len(part.lines):
        empty, broken = _examine(connection, part, format)
        count += insert_empty(connection, format, origin, empty)
        unreadable += broken
    set_aside(connection, format, origin, unreadable)
    return Landed(count, len(unreadable))


def _relation(part: Part, format: Format) -> str:
    path = sql_text(str(part.path))
    options = f"ignore_errors = true, maximum_object_size = {OBJECT_LIMIT_BYTES}"
    if not format.columns:
        return f"""
            select row_number() over () as position, cast(json as varchar) as payload
            from read_ndjson_objects({path}, {options})
        """
    columns = ", ".join(f"{name}: 'varchar'" for name in format.columns)
    return f"""
        select row_number() over () as position, *
        from read_json({path}, format = 'newline_delimited', columns = {{{columns}}}, {options})
    """


def _is_filled(format: Format) -> str:
    if format.columns:
        return f"coalesce({', '.join(format.columns)}) is not null"
    return "payload <> '{}'"


def _examine(
    connection: DuckDBPyConnection, part: Part, format: Format
) -> tuple[list[int], list[Unreadable]]:
    """Tell the objects without a known field from the lines that are no JSON."""
    unfilled = connection.execute(
        f"""
        select position - 1, json is not null
        from (
            select row_number() over () as position, json
            from read_ndjson_objects(
                {sql_text(str(part.path))},
                ignore_errors = true, maximum_object_size = {OBJECT_LIMIT_BYTES}
            )
        )
        semi join (
            select position from ({_relation(part, format)})
            where ({_is_filled(format)}) is not true
        ) using (position)
        order by position
        """
    ).fetchall()
    is_json = {row: valid for row, valid in unfilled if row not in part.placeholders}
    empty = [part.lines[row] for row, valid in is_json.items() if valid]
    broken = {row for row, valid in is_json.items() if not valid}
    return empty, list(_texts(part, broken))


def _texts(part: Part, rows: set[int]) -> Iterator[Unreadable]:
    with part.path.open("rb") as source:
        for row, text in enumerate(source):
            if row in rows:
                payload = text.rstrip(b"\r\n").decode(errors="backslashreplace")
                yield Unreadable(part.lines[row], payload, "not_json")

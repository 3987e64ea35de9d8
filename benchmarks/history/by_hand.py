"""One hand-written DuckDB script, `by_hand.sql`, over the same raw events as the line."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from warehouse.clock import warehouse_text
from warehouse.connection import connect, sql_text
from warehouse.home import Home

_SQL = Path(__file__).with_name("by_hand.sql")


@dataclass(frozen=True)
class Found:
    """What was found in a history, to be compared between two ways of finding it."""

    sessions: int
    events: int
    page_views: int
    engaged_seconds: int
    signals: Mapping[tuple[str, bool, bool], int]
    """Counted by name, whether it is escalated and whether it is applicable."""


def run_by_hand(home: Home, place: Home, as_of: datetime) -> None:
    """Read the raw events of `home`, and write sessions and signals to the file of `place`."""
    script = _SQL.read_text().replace("{as_of}", f"timestamp '{warehouse_text(as_of)}'")
    with connect(place) as connection:
        connection.execute(f"attach {sql_text(str(home.warehouse))} as history (read_only)")
        for statement in script.split(";\n"):
            connection.execute(statement)


def found(home: Home, schema: str) -> Found:
    """Count what stands in the sessions and the signals of a schema."""
    with connect(home, read_only=True) as connection:
        [sessions] = connection.execute(
            f"select count(*), sum(event_count), sum(page_view_count), "
            f"cast(round(sum(engaged_seconds)) as bigint) from {schema}.sessions"
        ).fetchall()
        signals = connection.execute(
            f"select signal_name, is_escalated, is_applicable, count(*) from {schema}.signals "
            "where signal_name != 'cta_failure' "
            "group by signal_name, is_escalated, is_applicable "
            "union all select signal_name, false, is_applicable, count(*) "
            f"from {schema}.signals where signal_name = 'cta_failure' "
            "group by signal_name, is_applicable"
        ).fetchall()
    return Found(*sessions, {(name, up, seen): count for name, up, seen, count in signals})

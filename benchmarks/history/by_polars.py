"""Sessions and pauses of the same raw events in Polars, as far as it goes.

Covered: parsing, the first delivery of each event, islands of 1,800 s, counts per session, and
pauses of 12 s. Left out, in its favour: what is refused, the 24 h limit, page views, whatever is
in JSON, media, escalations and every other signal.
"""

from dataclasses import dataclass
from datetime import datetime

import polars as pl

from warehouse.clock import warehouse_text
from warehouse.connection import connect, sql_text
from warehouse.home import Home

GAP_MS = 1_800_000
PAUSE_MS = 12_000
BREAKING = ("visibility", "unknown")


@dataclass(frozen=True)
class Pauses:
    """What was found."""

    sessions: int
    events: int
    pauses: int


def export(home: Home, path: str, as_of: datetime) -> None:
    """Write the columns that Polars needs to Parquet, which is no part of what is measured."""
    with connect(home, read_only=True) as connection:
        connection.execute(
            "copy (select event_id, user_id, anonymous_id, event_name, event_at, loaded_at, "
            "source_line, category, is_interaction from raw.events "
            "left join kairos.event_catalog using (event_name) "
            f"where loaded_at <= timestamp '{warehouse_text(as_of)}') "
            f"to {sql_text(path)} (format parquet)"
        )


def run_polars(path: str, as_of: datetime) -> Pauses:
    """Find sessions and pauses in one lazy query each, on all cores."""
    events = (
        pl.scan_parquet(path)
        .filter(pl.col("event_id").str.strip_chars() != "")
        .with_columns(
            at=pl.col("event_at").str.to_datetime("%Y-%m-%dT%H:%M:%S%.3fZ", time_unit="ms"),
            actor=pl.coalesce("anonymous_id", "user_id"),
        )
        .filter(pl.col("at") <= pl.col("loaded_at") + pl.duration(hours=1))
        .sort("loaded_at", "source_line")
        .unique("event_id", keep="first")
        .select(
            "actor",
            "event_id",
            "at",
            is_interaction=pl.col("is_interaction").fill_null(False),
            is_breaking=pl.col("is_interaction").fill_null(False)
            | pl.col("category").fill_null("unknown").is_in(BREAKING),
        )
        .sort("actor", "at", "event_id")
        .with_columns(
            is_start=(pl.col("actor") != pl.col("actor").shift()).fill_null(True)
            | ((pl.col("at") - pl.col("at").shift()).dt.total_milliseconds() > GAP_MS)
        )
        .with_columns(session=pl.col("is_start").cum_sum())
        .collect(engine="streaming")
    )
    sessions = events.group_by("session").agg(
        pl.len().alias("event_count"), pl.col("at").min().alias("started_at"), pl.col("at").max()
    )
    silence = pl.col("next_at") - pl.col("at")
    pauses = (
        events.lazy()
        .filter("is_breaking")
        .with_columns(next_at=pl.col("at").shift(-1).over("session"))
        .filter(
            pl.col("is_interaction")
            & (silence.is_null() | (silence.dt.total_milliseconds() >= PAUSE_MS))
            & (pl.col("at") + pl.duration(milliseconds=PAUSE_MS) <= as_of)
        )
        .collect()
    )
    return Pauses(sessions.height, events.height, pauses.height)

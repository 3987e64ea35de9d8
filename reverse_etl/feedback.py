"""What platforms report back of a message: that it was delivered, or seen."""

from collections.abc import Iterator
from datetime import datetime

import duckdb

from reverse_etl.model import UNREPORTED_STATES, State
from warehouse.clock import naive_utc
from warehouse.connection import sql_text

MEANS = {
    State.DELIVERED: ("delivered",),
    State.SHOWN: ("shown", "opened", "clicked", "completed", "dismissed", "converted"),
}
"""The kinds of `raw.feedback` that say where a message got to; whoever clicked has seen it. The
others (`bounced`, `failed`, `unsubscribed` and what a platform may think of) say nothing of it."""
BATCH = 10_000

Report = tuple[str, State]
"""An idempotency key, and how far its message got."""


def reported(connection: duckdb.DuckDBPyConnection, at: datetime) -> Iterator[list[Report]]:
    """Read, in batches, how far messages got of which the warehouse knows less than that.

    Going by what was reported by `at`, and by the idempotency key alone: feedback without one is a
    matter of outcomes.
    """
    shown = ", ".join(sql_text(kind) for kind in MEANS[State.SHOWN])
    delivered = ", ".join(sql_text(kind) for kind in MEANS[State.DELIVERED])
    cursor = connection.cursor().execute(
        f"""
        with reports as (
            select idempotency_key, bool_or(lower(kind) in ({shown})) as is_shown
            from raw.feedback
            where
                loaded_at <= $at
                and lower(kind) in ({shown}, {delivered})
                and idempotency_key is not null
            group by idempotency_key
        ),

        messages as (
            select idempotency_key, arg_max(state, sequence) as state
            from raw.sync_operations
            where kind = 'moment' and idempotency_key in (select idempotency_key from reports)
            group by idempotency_key
        )

        select reports.idempotency_key, reports.is_shown
        from reports
        inner join messages on reports.idempotency_key = messages.idempotency_key
        where
            messages.state in ({", ".join(sql_text(state) for state in UNREPORTED_STATES)})
            or (messages.state = 'delivered' and reports.is_shown)
        order by reports.idempotency_key
        """,
        {"at": naive_utc(at)},
    )
    while rows := cursor.fetchmany(BATCH):
        yield [(key, State.SHOWN if is_shown else State.DELIVERED) for key, is_shown in rows]

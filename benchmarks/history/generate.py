"""Histories of raw events, made inside the warehouse by `events.sql`, the same every time."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from warehouse.clock import warehouse_text
from warehouse.connection import connect
from warehouse.home import Home
from warehouse.landing import ensure_raw

DAYS = 90
START = datetime(2026, 1, 1)  # noqa: DTZ001 - naive UTC, as in the warehouse
END = START + timedelta(days=DAYS)
EVENTS_PER_VISIT = 31.82
"""Deliveries that a visit comes to, over all kinds of visits."""
VISITS_PER_ACTOR = 8
LATE_SHARE = 0.03
FRESH_VISITS_FROM = 100_000_000
"""Numbers of visits that no history reaches: those of the batches that arrive after it."""

_BATCH_SECONDS = 1800
_SQL = Path(__file__).with_name("events.sql")

# every half hour, what has arrived since is loaded; a copy comes up to six hours after the first
_HISTORY_LOADING = f"""least(
    time_bucket(
        to_seconds({_BATCH_SECONDS}),
        event_at
        + to_seconds(delay_seconds)
        + to_seconds(copy_no * pick('copied', session_no, page_no, place, 21600))
    ) + to_seconds({_BATCH_SECONDS}),
    timestamp '{warehouse_text(END)}'
)"""


@dataclass(frozen=True)
class Batch:
    """What arrived at one instant after the history."""

    number: int
    """From 1."""
    event_count: int

    @property
    def loaded_at(self) -> datetime:
        """Naive UTC: one hour after the batch before."""
        return END + timedelta(hours=self.number)


def fill(home: Home, event_count: int) -> int:
    """Fill `raw.events` with about so many deliveries of 90 days; return how many there are."""
    visits = round(event_count / EVENTS_PER_VISIT)
    seconds = DAYS * 86_400 - 1_200
    arrival = (
        f"timestamp '{warehouse_text(START)}'"
        f" + to_milliseconds(hash('begun', session_no) % {seconds * 1000})"
    )
    return _run(
        home,
        sessions=visits,
        first_session=0,
        actors=actors(event_count),
        arrival=arrival,
        loading=_HISTORY_LOADING,
        source_file="history",
    )


def add(home: Home, batch: Batch, event_count: int) -> int:
    """Load a batch upon a history of `event_count`; return how many deliveries it holds.

    Its visits began within the hour before it arrived, three in a hundred up to three days before.
    """
    loaded_at = f"timestamp '{warehouse_text(batch.loaded_at)}'"
    arrival = f"""{loaded_at} - to_milliseconds(
        1200000 + hash('begun', session_no) % case
            when pick('late visit', session_no, 0, 0, 1000) < {LATE_SHARE * 1000:.0f} then 259200000
            else 2400000
        end
    )"""
    return _run(
        home,
        sessions=round(batch.event_count / EVENTS_PER_VISIT),
        first_session=FRESH_VISITS_FROM + batch.number * 1_000_000 + 1,
        actors=actors(event_count),
        arrival=arrival,
        loading=loaded_at,
        source_file=f"batch-{batch.number}",
    )


def actors(event_count: int) -> int:
    """How many browsers so many events come from."""
    return max(round(event_count / EVENTS_PER_VISIT / VISITS_PER_ACTOR), 1)


def _run(home: Home, **values: object) -> int:
    sql = _SQL.read_text()
    values["start"] = warehouse_text(START)
    for name, value in values.items():
        sql = sql.replace(f"{{{name}}}", str(value))
    with connect(home) as connection:
        ensure_raw(connection)
        [(before,)] = connection.execute("select count(*) from raw.events").fetchall()
        connection.execute(sql)
        [(after,)] = connection.execute("select count(*) from raw.events").fetchall()
        connection.execute(_PEOPLE)
    return after - before


_PEOPLE = """
insert into raw.users (
    user_id, account_id, segment, time_zone, signed_up_at, consents, traits, updated_at,
    source_file, source_line, loaded_at
)
select
    user_id,
    'account-' || hash(user_id) % 500,
    case when hash(user_id) % 3 = 0 then 'business' else 'self_serve' end,
    'Europe/Paris',
    '2026-01-01T00:00:00Z',
    '{}',
    '{}',
    '2026-01-01T00:00:00Z',
    'history',
    row_number() over (order by user_id),
    timestamp '2026-01-01 00:00:00'
from (select distinct user_id from raw.events where user_id is not null)
where
    user_id not in (select known.user_id from raw.users as known)
    and hash(user_id) % 2 = 0
"""

"""Measure `kairos replay --every 1h` over 30 days of a crowd.

`python -m benchmarks replay [--people 100000] [--days 30]` makes a warehouse in which each person
has ten moments of the shipped triggers, spread over the stretch by day and less by night, and
replays it under the shipped settings. The demo cannot be made that large in reasonable time, and
what comes before the moments costs a replay nothing: it looks at them once.
"""

import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from benchmarks.history.child import measured
from warehouse.compiled import (
    DECISIONS,
    SCHEMA,
    CompiledProject,
    compile_project,
    create_histories,
    load_seed,
)
from warehouse.connection import connect
from warehouse.home import Home
from warehouse.landing import ensure_raw
from warehouse.replay import READ_BY_DECIDING, replay

START = datetime(2026, 1, 5, tzinfo=UTC)
HOUR = timedelta(hours=1)
MOMENTS_PER_PERSON = 10
PEOPLE_PER_ACCOUNT = 20

PEOPLE = """
insert into kairos.users by name
select
    'p' || person as user_key,
    'account-' || person // $per_account as account_id,
    md5('p' || person) as email_hash,
    ['Europe/Berlin', 'America/New_York', 'Asia/Seoul'][cast(1 + person % 3 as integer)]
        as time_zone
from range($people) as people (person)
"""

MOMENTS = """
create table moments as
with

drawn as (

    select
        'p' || person as user_key,
        hash('day', person, place // 2) % $days as day,
        place,
        hash('trigger', person, place) % $triggers as trigger_number,
        -- the sum of two draws: most of it in the middle of the day
        hash('hour', person, place) % 43200000 + hash('minute', person, place) % 43200000
            as milliseconds
    from range($people) as people (person)
    cross join range($moments) as places (place)

)

select
    triggers.trigger_name,
    drawn.user_key,
    drawn.user_key || '-' || drawn.day as session_id,
    cast($start as timestamp) + to_days(cast(drawn.day as integer))
    + to_milliseconds(cast(drawn.milliseconds as bigint)) as moment_at,
    '{}' as evidence
from drawn
inner join (
    select trigger_name, row_number() over (order by trigger_name) - 1 as trigger_number
    from kairos.triggers
) as triggers using (trigger_number)
order by moment_at
"""

REST = """
insert into kairos.intent_scores by name
select
    session_id,
    moment_at as scored_at,
    hash(session_id) % 1000 / 1000.0 as score,
    'v1' as model_version
from moments
order by moment_at;
create or replace table kairos.known_people as select user_key from kairos.users;
create or replace table kairos.trigger_moments as select * from moments;
drop table moments
"""


@dataclass(frozen=True)
class Replayed:
    """What a replay of the crowd came to."""

    seconds: float
    steps: int
    decisions: int
    sends: int


def make_history(home: Home, project: CompiledProject, people: int, days: int) -> None:
    """Fill a warehouse with what deciding reads, and no decision yet."""
    with connect(home) as connection:
        ensure_raw(connection)
        connection.execute(f"create schema {SCHEMA}")
        for model in project.between([], [DECISIONS]):
            if model.kind == "seed":
                load_seed(connection, model, model.seed_path)
        before_deciding = project.between([], READ_BY_DECIDING)
        for model in before_deciding:
            if model.kind == "model":
                columns = ", ".join(f"{name} {kind}" for name, kind in model.column_types)
                connection.execute(f"create table {SCHEMA}.{model.name} ({columns or 'x integer'})")
        create_histories(connection, project.between([], [DECISIONS]))
        connection.execute(PEOPLE, {"people": people, "per_account": PEOPLE_PER_ACCOUNT})
        [(triggers,)] = connection.execute("select count(*) from kairos.triggers").fetchall()
        connection.execute(
            MOMENTS,
            {
                "people": people,
                "days": days,
                "moments": MOMENTS_PER_PERSON,
                "triggers": triggers,
                "start": START.replace(tzinfo=None),
            },
        )
        connection.execute(REST)


def replay_history(people: int, days: int) -> Replayed:
    """Make the warehouse and replay it, hour by hour; only the replay is timed."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        project = compile_project(Home(root, root / "compiled.duckdb", "", root / "landing"))
        home = Home(root, root / "warehouse.duckdb", "", root / "landing")
        make_history(home, project, people, days)
        start = time.perf_counter()
        done = replay(home, START, START + timedelta(days=days), {}, HOUR)
        seconds = time.perf_counter() - start
        return Replayed(seconds, done.steps, sum(done.after.by_reason.values()), done.after.sends)


def report(people: int, days: int) -> Iterator[str]:
    """Measure, line by line."""
    ours = measured(replay_history, people, days)
    found: Replayed = ours.answer
    yield (
        f"{days} days of {people:,} people in {found.steps:,} steps: {found.seconds:.0f} s, "
        f"{ours.cpu_seconds:.0f} cpu s, {ours.peak_bytes / 2**30:.1f} GB, making the history "
        f"included in the last two; {found.decisions:,} decisions, {found.sends:,} messages, "
        f"{found.decisions / found.seconds:,.0f} decisions/s"
    )


@click.command()
@click.option("--people", default=100_000, show_default=True, help="Ten moments each.")
@click.option("--days", default=30, show_default=True, help="Replayed hour by hour.")
def main(people: int, days: int) -> None:
    """Measure replaying by a schedule."""
    for line in report(people, days):
        click.echo(line)


if __name__ == "__main__":
    main()

"""Measure deciding: who is sent what, under twelve caps at once.

`python -m benchmarks deciding [--people 200000]` decides five candidates of each person in two runs
an hour apart. The first run's candidates are judged again by the usual query, a row_number() per
cap, and others of the same make by the slow oracle of the tests.
"""

import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from benchmarks.history.child import Measured, measured
from tests.triggers.oracle import Limit, Moment, Oracle, Person
from tests.triggers.world import TRIGGER, World
from warehouse.compiled import compile_project
from warehouse.home import Home

FIRST_RUN = datetime(2026, 1, 5, 9, tzinfo=UTC)
RUNS = (FIRST_RUN, FIRST_RUN + timedelta(hours=1))
MOMENTS_PER_PERSON = 5
PEOPLE_PER_ACCOUNT = 20
ORACLE_PEOPLE = 400

TRIGGERS = [
    # name, tier, priority, channel, tags
    ("login_help", "urgent", 90, "email", "help"),
    ("cta_tip", "high", 80, "in_app", "help"),
    ("pause_chat", "high", 70, "chat", "help|pause"),
    ("pause_tip", "low", 50, "in_app", "help|pause"),
    ("scroll_guide", "low", 40, "in_app", "guide"),
    ("invite", "low", 30, "email", "nudge"),
]

CAPS = [
    # name, scope, value, window, seconds, maximum
    ("three_per_rolling_day", "all", "*", "rolling", 86_400, 3),
    ("three_per_day", "all", "*", "calendar_day", None, 3),
    ("six_per_week", "all", "*", "calendar_week", None, 6),
    ("fifty_ever", "all", "*", "lifetime", None, 50),
    ("one_pause_per_session", "tag", "pause", "session", None, 1),
    ("two_per_session", "all", "*", "session", None, 2),
    ("one_guide_per_day", "tag", "guide", "rolling", 86_400, 1),
    ("one_nudge_per_week", "tag", "nudge", "calendar_week", None, 1),
    ("two_in_app_per_six_hours", "channel", "in_app", "rolling", 21_600, 2),
    ("one_of_each_trigger", "trigger", "*", "rolling", 43_200, 1),
    ("one_low_per_hour", "tier", "low", "rolling", 3_600, 1),
    ("forty_per_account", "account", "*", "calendar_day", None, 40),
]

MOMENTS = """
insert into kairos.trigger_moments
select
    ['login_help', 'cta_tip', 'pause_chat', 'pause_tip', 'scroll_guide', 'invite'][
        cast(1 + hash('trigger', person, place) % 6 as integer)
    ],
    'p' || person,
    'p' || person || '-' || place % 2,
    timestamp '2026-01-05 08:00:00' + to_milliseconds(
        3600000 * (place % 2) + cast(hash('moment', person, place) % 3600000 as bigint)
    ),
    '{}'
from range($people) as people (person)
cross join range($moments) as places (place)
"""

PEOPLE = """
insert into kairos.users (user_key, account_id, time_zone)
select
    'p' || person,
    'account-' || person // $size,
    ['Europe/Berlin', 'America/New_York', 'Asia/Seoul'][cast(1 + person % 3 as integer)]
from range($people) as people (person)
"""

BY_ROW_NUMBER = """
create temporary table naive as
select
    arbitration_rank,
    bool_and(used_before + place_in_line <= maximum) as is_sent
from (
    select
        *,
        row_number() over (partition by bucket order by arbitration_rank) as place_in_line
    from kairos.limit_claims
)
group by arbitration_rank
"""

COMPARED = """
select
    count(*) filter (where decisions.outcome = 'send'),
    count(*) filter (where naive.is_sent),
    count(*) filter (where decisions.outcome = 'send' and not naive.is_sent),
    count(*) filter (where decisions.outcome != 'send' and naive.is_sent)
from kairos.contenders
inner join naive using (arbitration_rank)
inner join kairos.trigger_decisions as decisions using (decision_id)
"""

EXCEEDED = """
select count(*) from (
    select bucket
    from kairos.limit_claims as claims
    inner join kairos.contenders using (arbitration_rank)
    inner join kairos.trigger_decisions as decisions using (decision_id)
    group by bucket
    having max(used_before) + count(*) filter (where decisions.outcome = 'send') > max(maximum)
)
"""


@dataclass(frozen=True)
class Decided:
    """What two runs over a crowd gave."""

    candidates: int
    run_seconds: tuple[float, ...]
    exceeded_caps: int
    sent: int
    sent_by_row_number: int
    wrongly_refused: int
    wrongly_sent: int
    row_number_seconds: float


def decide(people: int) -> Decided:
    """Decide everything in two runs, and the second once more by row_number()."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        project = compile_project(Home(root, root / "compiled.duckdb", "", root / "landing"))
        world = World(project)
        execute = world.connection.execute
        execute("set threads = 2; set memory_limit = '4GB'; set preserve_insertion_order = false")
        execute("set enable_progress_bar = false")
        execute(f"set temp_directory = '{root / 'spill'}'")
        for name, tier, priority, channel, tags in TRIGGERS:
            world.trigger(name, tier=tier, priority=priority, channel=channel, tags=tags)
        for name, scope, value, window, seconds, maximum in CAPS:
            world.cap(
                name,
                scope=scope,
                scope_value=value,
                window_kind=window,
                window_seconds=seconds,
                maximum=maximum,
            )
        execute(PEOPLE, {"people": people, "size": PEOPLE_PER_ACCOUNT})
        execute("insert into kairos.known_people select user_key from kairos.users")
        execute(MOMENTS, {"people": people, "moments": MOMENTS_PER_PERSON})
        run_seconds = []
        exceeded = 0
        compared: tuple[int, ...] = ()
        by_row_number = 0.0
        for now in RUNS:
            start = time.perf_counter()
            world.run(world.models, now)
            run_seconds.append(time.perf_counter() - start)
            exceeded += execute(EXCEEDED).fetchall()[0][0]
            if now == FIRST_RUN:
                start = time.perf_counter()
                execute(BY_ROW_NUMBER)
                by_row_number = time.perf_counter() - start
                [compared] = execute(COMPARED).fetchall()
        candidates = world.count("trigger_decisions")
        return Decided(candidates, tuple(run_seconds), exceeded, *compared, by_row_number)


def decide_slowly(people: int) -> int:
    """Let the oracle decide for a crowd of the same make; return how many candidates it had."""
    triggers = {
        name: {**TRIGGER, "tier": tier, "priority": priority, "channel": channel, "tags": tags}
        for name, tier, priority, channel, tags in TRIGGERS
    }
    limits = [Limit(*cap[:5], "user", cap[5], is_cap=True) for cap in CAPS]
    count = 0
    for first in range(0, people, PEOPLE_PER_ACCOUNT):
        oracle = Oracle(triggers, limits, None, 0, 0, seed="", control_share=0)
        moments = {
            Moment(
                TRIGGERS[(person + 3 * place) % len(TRIGGERS)][0],
                Person(f"p{person}", f"account-{first}", "Europe/Berlin"),
                f"p{person}-{place % 2}",
                FIRST_RUN - timedelta(hours=1 - place % 2, seconds=-(person * 37 + place) % 3600),
            )
            for person in range(first, first + PEOPLE_PER_ACCOUNT)
            for place in range(MOMENTS_PER_PERSON)
        }
        count += sum(len(oracle.decide(moments, now)) for now in RUNS)
    return count


def report(people: int) -> Iterator[str]:
    """Measure, line by line."""
    ours = measured(decide, people)
    found: Decided = ours.answer
    yield (
        f"{found.candidates:,} candidates of {people:,} people under {len(CAPS)} caps: "
        f"{' and '.join(f'{s:.1f}' for s in found.run_seconds)} s in two runs, "
        f"{_rate(found.candidates, sum(found.run_seconds))}, "
        f"{ours.cpu_seconds:.0f} cpu s, {ours.peak_bytes / 2**30:.1f} GB; "
        f"{found.exceeded_caps} caps exceeded"
    )
    yield (
        f"row_number() on the claims of the first run, {found.row_number_seconds:.1f} s: "
        f"{found.sent_by_row_number:,} sent instead of {found.sent:,}, "
        f"{found.wrongly_refused:,} wrongly refused, {found.wrongly_sent:,} wrongly sent"
    )
    slow: Measured = measured(decide_slowly, ORACLE_PEOPLE)
    yield (
        f"the oracle, {slow.answer:,} candidates, 20 people at a time: "
        f"{_rate(slow.answer, slow.elapsed_seconds)}, so all would take "
        f"{found.candidates * slow.elapsed_seconds / slow.answer:,.0f} s"
    )


def _rate(count: int, seconds: float) -> str:
    return f"{count / seconds:,.0f} candidates/s"


@click.command()
@click.option("--people", default=200_000, show_default=True, help="Five candidates each.")
def main(people: int) -> None:
    """Measure deciding under caps."""
    for line in report(people):
        click.echo(line)


if __name__ == "__main__":
    main()

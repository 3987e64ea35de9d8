"""Measure the plan of a large audience: what should be, minus what was acknowledged.

`python -m benchmarks differences [--members 1M,10M] [--changed 0.01] [--news 10000]`. Every member
was added once and each addition left its three rows in the log of the ledger; half of those who
changed have left the audience since, and as many have entered it. The models from the log to the
plan are built as they are, and beside them the usual query by hand: one full outer join of who
should be a member with who was last acknowledged. Both must find the same changes.

Then some of those who entered are added, in so many new rows of the log, and the models are built
again: as a run does, which reads what is new, and anew. Both must leave the same tables.
"""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import click

from benchmarks.history.child import Measured, measured
from warehouse.compiled import SCHEMA, compile_project, load_seed
from warehouse.connection import connect
from warehouse.home import Home
from warehouse.landing import ensure_raw
from warehouse.transform import dbt

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
OUTPUTS = ("sync_operations", "sync_state", "sync_plan")
FOLLOWING = ("stg_ledger__sync_operations", "sync_state")
"""The tables that follow the log."""
INPUTS = {
    "audience_members": "audience_key varchar, user_key varchar",
    "known_people": "user_key varchar",
    "profile_values": "user_key varchar, attribute_name varchar, attribute_value varchar",
    "desired_moments": "idempotency_key varchar, destination varchar, object_key varchar, "
    "user_key varchar, decision_id varchar, payload varchar, scope varchar, tier varchar, "
    "priority integer, decided_at timestamp, expires_at timestamp",
}
"""What the plan is made of; of profiles and messages there are none."""

MEMBERS = """
insert into kairos.audience_members
select 'onboarding_completed', 'user-' || member
from range($changes, $members + $changes) as members (member);
insert into kairos.known_people select user_key from kairos.audience_members
"""

LOG = """
insert into raw.sync_operations by name
select
    $after + step * $members + member - $first + 1 as sequence,
    md5('operation' || member) as operation_id,
    md5('key' || member) as idempotency_key,
    'run' as run_id,
    'appcues' as destination,
    'audience' as kind,
    'add' as operation,
    'onboarding_completed' as object_key,
    'user-' || member as user_key,
    md5('{"audience_key":"onboarding_completed"}') as payload_hash,
    ['planned', 'in_flight', 'accepted'][step + 1] as state,
    cast(step > 0 as integer) as attempt_count,
    timestamp '2026-03-03 12:00:00' as planned_at,
    case when step > 0 then timestamp '2026-03-03 12:00:01' end as sent_at,
    case when step > 1 then timestamp '2026-03-03 12:00:02' end as acknowledged_at,
    case when step > 1 then 200 end as http_status,
    false as counts_toward_caps,
    timestamp '2026-03-03 13:00:00' + to_seconds(cast($after > 0 as integer)) as loaded_at
from range($first, $first + $members) as members (member)
cross join range(3) as steps (step)
order by sequence
"""

BY_HAND = """
create or replace table kairos.by_hand as
with

acknowledged as (

    select
        object_key,
        user_key,
        arg_max(operation, sequence) as operation,
        arg_max(payload_hash, sequence) as payload_hash
    from raw.sync_operations
    where state = 'accepted' and destination = 'appcues' and kind = 'audience'
    group by object_key, user_key

),

held as (

    select * from acknowledged
    where operation != 'remove'

),

desired as (

    select
        audience_key as object_key,
        user_key,
        md5('{"audience_key":"' || audience_key || '"}') as payload_hash
    from kairos.audience_members

)

select
    coalesce(desired.object_key, held.object_key) as object_key,
    coalesce(desired.user_key, held.user_key) as user_key,
    case
        when held.user_key is null then 'add'
        when desired.user_key is null then 'remove'
        else 'update'
    end as operation
from desired
full outer join held
    on desired.object_key = held.object_key and desired.user_key = held.user_key
where
    held.user_key is null
    or desired.user_key is null
    or held.payload_hash != desired.payload_hash
"""

UNEQUAL = """
select count(*) from (
    (
        select object_key, user_key, operation from kairos.sync_plan
        except all
        select object_key, user_key, operation from kairos.by_hand
    )
    union all
    (
        select object_key, user_key, operation from kairos.by_hand
        except all
        select object_key, user_key, operation from kairos.sync_plan
    )
)
"""


@dataclass(frozen=True)
class Planned:
    """What planning gave, and how long each table took."""

    operations: int
    seconds: dict[str, float]


def make(root: Path, members: int, changes: int) -> list[str]:
    """Fill a warehouse with an audience and with the log of what its destination was told.

    Return the names of the models from the log to the plan.
    """
    project = compile_project(Home(root, root / "compiled.duckdb", "", root / "landing"))
    models = project.between(INPUTS, OUTPUTS)
    with connect(_home(root)) as connection:
        ensure_raw(connection)
        connection.execute(f"create schema {SCHEMA}")
        for model in models:
            if model.kind == "seed":
                load_seed(connection, model, model.seed_path)
        for name, columns in INPUTS.items():
            connection.execute(f"create table {SCHEMA}.{name} ({columns})")
        for statement in MEMBERS.split(";"):
            connection.execute(statement, _asked(statement, members=members, changes=changes))
        connection.execute(LOG, {"first": 0, "members": members, "after": 0})
    return [model.name for model in models if model.kind == "model"]


def deliver(root: Path, members: int, news: int) -> None:
    """Let the log tell that some of those who entered were added."""
    with connect(_home(root)) as connection:
        connection.execute(LOG, {"first": members, "members": news // 3, "after": 3 * members})


def plan(root: Path, models: list[str], is_anew: bool) -> Planned:
    """Build every model from the log to the plan, as a run does."""
    arguments = ["run", *(["--full-refresh"] if is_anew else []), "--select", *models]
    done = dbt(_home(root), arguments, as_of=NOW)
    with connect(_home(root)) as connection:
        tables = {
            name
            for (name,) in connection.execute("select table_name from duckdb_tables()").fetchall()
        }
        [(count,)] = connection.execute("select count(*) from kairos.sync_plan").fetchall()
    seconds = {node.name: node.elapsed_seconds for node in done.nodes if node.name in tables}
    return Planned(count, seconds)


def put_by(root: Path) -> None:
    """Keep what a run left, to be compared with what another leaves."""
    with connect(_home(root)) as connection:
        for name in FOLLOWING:
            connection.execute(f"create table kairos.{name}_before as from kairos.{name}")


def differing(root: Path) -> int:
    """Count the rows that differ from those that were put by."""
    with connect(_home(root)) as connection:
        [(count,)] = connection.execute(
            "select "
            + " + ".join(
                f"(select count(*) from ((from kairos.{one} except all from kairos.{other}) "
                f"union all (from kairos.{other} except all from kairos.{one})))"
                for one, other in ((name, f"{name}_before") for name in FOLLOWING)
            )
        ).fetchall()
    return int(count)


def plan_by_hand(root: Path) -> int:
    """Find the same changes with one join."""
    with connect(_home(root)) as connection:
        connection.execute("set threads = 2; set preserve_insertion_order = false")
        connection.execute(BY_HAND)
        [(count,)] = connection.execute("select count(*) from kairos.by_hand").fetchall()
    return int(count)


def unequal(root: Path) -> int:
    """Count the changes that only one of the two found."""
    with connect(_home(root)) as connection:
        [(count,)] = connection.execute(UNEQUAL).fetchall()
    return int(count)


def _home(root: Path) -> Home:
    return Home(root, root / "warehouse.duckdb", "", root / "landing")


def _asked(statement: str, **values: int) -> dict[str, int]:
    return {name: value for name, value in values.items() if f"${name}" in statement}


def report(members: int, changed_share: float, news: int) -> Iterator[str]:
    """Measure one size, line by line."""
    changes = round(members * changed_share / 2)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        models = measured(make, root, members, changes).answer

        def row(label: str, operations: int, told: Measured) -> str:
            return (
                f"| {label} | {members:,} | {operations:,} | {told.elapsed_seconds:.1f} "
                f"| {told.cpu_seconds:.1f} | {told.peak_bytes / 2**30:.1f} |"
            )

        def planned(label: str, is_anew: bool) -> Iterator[str]:
            told = measured(plan, root, models, is_anew)
            found: Planned = told.answer
            yield row(label, found.operations, told)
            each = ", ".join(f"{name} {spent:.1f}" for name, spent in found.seconds.items())
            yield f"| {each} s |"

        yield from planned("models", True)
        by_hand = measured(plan_by_hand, root)
        yield row("one join by hand", by_hand.answer, by_hand)
        yield f"| changes that only one found: {measured(unequal, root).answer:,} |"
        measured(deliver, root, members, news)
        yield from planned(f"models, {news:,} new rows", False)
        measured(put_by, root)
        yield from planned("models, all anew", True)
        yield f"| rows that differ: {measured(differing, root).answer:,} |"


@click.command()
@click.option("--members", default="1M", show_default=True, help="Sizes, with commas between.")
@click.option("--changed", default=0.01, show_default=True, help="Share of members.")
@click.option("--news", default=10_000, show_default=True, help="New rows of the log.")
def main(members: str, changed: float, news: int) -> None:
    """Measure planning and print a table."""
    click.echo("| | members | operations | s | cpu s | peak GB |")
    click.echo("|---|---|---|---|---|---|")
    for size in members.split(","):
        for line in report(int(size.replace("M", "000000")), changed, news):
            click.echo(line)


if __name__ == "__main__":
    main()

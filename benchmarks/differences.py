"""Measure the plan of a large audience: what should be, minus what was acknowledged.

`python -m benchmarks differences [--members 1M,10M] [--changed 0.01]`. Every member was added once
and each addition left its three rows in the log of the ledger; half of those who changed have left
the audience since, and as many have entered it. The models from the log to the plan are built as
they are, and beside them the usual query by hand: one full outer join of who should be a member
with who was last acknowledged. Both must find the same changes.
"""

import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import click

from benchmarks.history.child import measured
from warehouse.compiled import SCHEMA, CompiledProject, compile_project, load_seed, run_models
from warehouse.connection import connect
from warehouse.home import Home
from warehouse.landing import ensure_raw

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
OUTPUTS = ("sync_operations", "sync_state", "sync_plan")
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
    step * $members + member + 1 as sequence,
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
    timestamp '2026-03-03 13:00:00' as loaded_at
from range($members) as members (member)
cross join range(3) as steps (step)
order by sequence
"""

BY_HAND = """
create table kairos.by_hand as
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


def make(root: Path, members: int, changes: int) -> CompiledProject:
    """Fill a warehouse with an audience and with the log of what its destination was told."""
    project = compile_project(Home(root, root / "compiled.duckdb", "", root / "landing"))
    with connect(_home(root)) as connection:
        ensure_raw(connection)
        connection.execute(f"create schema {SCHEMA}")
        for model in project.between(INPUTS, OUTPUTS):
            if model.kind == "seed":
                load_seed(connection, model, model.seed_path)
        for name, columns in INPUTS.items():
            connection.execute(f"create table {SCHEMA}.{name} ({columns})")
        for statement in MEMBERS.split(";"):
            connection.execute(statement, _asked(statement, members=members, changes=changes))
        connection.execute(LOG, {"members": members})
    return project


def plan(root: Path, project: CompiledProject) -> Planned:
    """Build every model from the log to the plan."""
    seconds = {}
    with connect(_home(root)) as connection:
        # as profiles.yml has it
        connection.execute("set threads = 2; set preserve_insertion_order = false")
        for model in project.between(INPUTS, OUTPUTS):
            if model.kind == "model":
                began = time.perf_counter()
                run_models(connection, [model], NOW)
                if model.materialized == "table":
                    seconds[model.name] = time.perf_counter() - began
        [(count,)] = connection.execute("select count(*) from kairos.sync_plan").fetchall()
    return Planned(count, seconds)


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


def report(members: int, changed: float) -> Iterator[str]:
    """Measure one size, line by line."""
    changes = round(members * changed / 2)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        project = measured(make, root, members, changes).answer
        ours = measured(plan, root, project)
        found: Planned = ours.answer
        by_hand = measured(plan_by_hand, root)
        each = ", ".join(f"{name} {seconds:.1f}" for name, seconds in found.seconds.items())
        for label, count, told in (
            ("models", found.operations, ours),
            ("one join by hand", by_hand.answer, by_hand),
        ):
            yield (
                f"| {label} | {members:,} | {count:,} | {told.elapsed_seconds:.1f} "
                f"| {told.cpu_seconds:.1f} | {told.peak_bytes / 2**30:.1f} |"
            )
        yield f"| {each} s; changes that only one found: {measured(unequal, root).answer:,} |"


@click.command()
@click.option("--members", default="1M", show_default=True, help="Sizes, with commas between.")
@click.option("--changed", default=0.01, show_default=True, help="Share of members.")
def main(members: str, changed: float) -> None:
    """Measure planning and print a table."""
    click.echo("| | members | operations | s | cpu s | peak GB |")
    click.echo("|---|---|---|---|---|---|")
    for size in members.split(","):
        for line in report(int(size.replace("M", "000000")), changed):
            click.echo(line)


if __name__ == "__main__":
    main()

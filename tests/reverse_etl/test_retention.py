"""What the ledger forgets is never missed: not by a cap, not by a plan, not by a claim."""

import random
from datetime import timedelta

import duckdb
import pytest

from reverse_etl.ledger.caps import Cap, Guard
from reverse_etl.ledger.retention import retention
from reverse_etl.ledger.store import Ledger, ToReserve
from reverse_etl.model import Operation, Result, Scope, State
from reverse_etl.replica import replicate
from tests.reverse_etl.conftest import NOW, Line, later, moment, operation
from warehouse.compiled import CompiledProject, run_models
from warehouse.errors import KairosError
from warehouse.home import Home

KEEP = timedelta(days=30)
PEOPLE = ("ada", "ben")
GUARD = Guard(
    [
        Cap("lifetime", "trigger", "*", "lifetime", maximum=2),
        Cap("per day", "all", "*", "rolling", 86_400, maximum=1),
        Cap("per session", "session", "*", "session", maximum=1),
        Cap("per account", "account", "acme", "rolling", 90 * 86_400, maximum=3),
    ]
)
ENDS = (State.ACCEPTED, State.REJECTED, State.INVALID, State.RETRYABLE, State.UNKNOWN, None)
DESIRED = ("desired_moments", "desired_audiences", "desired_profiles")


def scope(person: str, number: int) -> Scope:
    return Scope(
        trigger_name=f"tip-{number % 2}", session_id=f"{person}-{number % 3}", account_id="acme"
    )


def operations(run: int) -> list[Operation]:
    """Each person's moment and membership of a run; who was added leaves in the next one."""
    made = []
    for n, person in enumerate(PEOPLE):
        number = 2 * run + n
        counted = {"trigger_name": f"tip-{run % 2}", "account_id": "acme"}
        made.append(moment(number, user_key=person, key=f"moment-{number}", scope=counted))
        made.append(
            operation(n, user_key=person, verb=("add", "remove")[run % 2], key=f"set-{number}")
        )
    return made


def live(ledger: Ledger, seed: int, run_count: int) -> None:
    """Let runs go over the ledger, some days apart, with any end; some die under way."""
    chance = random.Random(seed)
    for run in range(run_count):
        at = NOW + timedelta(days=15 * run)
        planned = operations(run) + (operations(run - 1) if run else [])
        with ledger.owner(name := f"run-{run}"):
            ledger.start_run(name, "webhook", name, at)
            claims = ledger.claim(
                planned, owner_id=name, run_id=name, at=at, guard=GUARD, resends=lambda *_: True
            )
            for claim in claims:
                if not ledger.begin([claim.operation.idempotency_key], name, at):
                    continue
                end = chance.choice(ENDS)
                if end is not None:
                    ledger.finish([(claim.operation, Result(end))], name, at)
            ledger.finish_run(name, status="done", at=at, counts={}, request_count=1)


def plan_of(home: Home, ledger: Ledger, project: CompiledProject, at) -> list[tuple]:
    """What a warehouse that is new to this ledger would plan."""
    replicate(home, ledger, at)
    with duckdb.connect(str(home.warehouse)) as connection:
        connection.execute("create schema kairos")
        connection.execute(
            """
            create table kairos.destinations as
            select 'webhook' as destination, 'resend' as unknown_policy, true as is_enabled;
            create table kairos.tiers as select 'high' as tier, 1 as tier_rank;
            create table kairos.desired_audiences as
            select 'webhook' as destination, 'audience' as kind, 'people' as object_key,
                unnest(['ada', 'cleo']) as user_key, '{}' as payload,
                cast(null as varchar) as field_names;
            create table kairos.desired_profiles as
            select * replace ('profile' as kind) from kairos.desired_audiences
            where user_key = 'ada';
            create table kairos.desired_moments as
            select
                'moment-' || n as idempotency_key, 'webhook' as destination, 'tip' as object_key,
                'ada' as user_key, 'decision-' || n as decision_id, '{}' as payload,
                '{}' as scope, 'high' as tier, 1 as priority,
                timestamp '2026-03-04' as decided_at, timestamp '2027-03-04' as expires_at
            from range(14) as numbers (n);
            """
        )
        models = project.between([*DESIRED, "destinations", "tiers"], ["sync_plan"])
        run_models(connection, models, at)
        return connection.execute(
            "select * from kairos.sync_plan order by idempotency_key"
        ).fetchall()


@pytest.mark.parametrize("seed", range(3))
def test_nothing_misses_what_was_pruned(seed, ledger_url, tmp_path, project) -> None:
    run_count = 4 + seed
    end = NOW + timedelta(days=15 * run_count)
    answers = []
    for prunes in (False, True):
        home, new_home = (
            Home.from_env({"KAIROS_HOME": str(tmp_path / f"{name}-{prunes}")}).ensure()
            for name in ("home", "new")
        )
        with Ledger.open(ledger_url) as ledger:
            ledger.clear()
            live(ledger, seed, run_count)
            length = len(ledger.changes_after(0, 10_000))
            replicate(home, ledger, end, KEEP if prunes else None)
            if prunes:
                assert len(ledger.changes_after(0, 10_000)) < length
            plan = plan_of(new_home, ledger, project, end)
            doubts = [o for o in ledger.operations() if o.state in ("unknown", "in_flight")]
            asked = [
                ToReserve(f"decision-{n}", person, scope(person, n))
                for n in range(20)
                for person in PEOPLE
            ]
            blocked = ledger.reserve(asked, GUARD, end)
            again = ledger.claim(
                [o for run in range(run_count) for o in operations(run)],
                owner_id="last",
                run_id="last",
                at=end,
                guard=GUARD,
                resends=lambda *_: False,
            )
            standings = [(claim.operation.idempotency_key, claim.standing) for claim in again]
            answers.append((plan, doubts, blocked, standings))
    assert answers[0] == answers[1]


def accept(ledger: Ledger, made: Operation, at=NOW) -> None:
    with ledger.owner("run"):
        ledger.claim(
            [made], owner_id="run", run_id="run", at=at, guard=GUARD, resends=lambda *_: True
        )
        ledger.begin([made.idempotency_key], "run", at)
        ledger.finish([(made, Result(State.ACCEPTED))], "run", at)


def test_the_warehouse_keeps_the_history_and_the_ledger_the_last_word(any_line: Line) -> None:
    with Ledger.open(any_line.home.ledger_url) as ledger:
        accept(ledger, moment(1))
        replicate(any_line.home, ledger, NOW, KEEP)
        assert len(ledger.changes_after(0, 10)) == 3, "young"
        replicate(any_line.home, ledger, later(days=31), KEEP)
        assert [row.state for row in ledger.changes_after(0, 10)] == ["accepted"]
        accept(ledger, moment(2))
        replicate(any_line.home, ledger, later(days=31.5), KEEP)
        assert len(ledger.changes_after(0, 10)) == 4, "once a day is enough"
    assert any_line.query("select count(*) from raw.sync_operations") == [(6,)]


def test_what_the_warehouse_has_not_copied_stays(ledger: Ledger) -> None:
    accept(ledger, moment(1))
    accept(ledger, moment(2))
    fourth = ledger.changes_after(0, 10)[3].sequence
    ledger.prune(KEEP, later(days=99), copied_changes=fourth, copied_runs=0)
    left = [(row.idempotency_key[-1], row.state) for row in ledger.changes_after(0, 10)]
    assert left == [("1", "accepted"), ("2", "in_flight"), ("2", "accepted")]


@pytest.mark.parametrize("text", ["0", "-1", "soon", "inf", "nan"])
def test_an_age_that_means_nothing_is_refused(text: str) -> None:
    with pytest.raises(KairosError, match=f"KAIROS_LEDGER_RETENTION_DAYS is '{text}'"):
        retention({"KAIROS_LEDGER_RETENTION_DAYS": text})


def test_an_age_is_days_or_for_ever() -> None:
    assert retention({}) == timedelta(days=90)
    assert retention({"KAIROS_LEDGER_RETENTION_DAYS": "7.5"}) == timedelta(days=7.5)
    assert retention({"KAIROS_LEDGER_RETENTION_DAYS": "forever"}) is None

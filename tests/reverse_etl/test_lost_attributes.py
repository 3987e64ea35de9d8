"""What a person loses, the platform loses; what a person never had, it never hears of."""

import json
import random
from collections import defaultdict
from datetime import timedelta
from typing import Any

import duckdb
import pytest

from reverse_etl.ledger.store import Ledger
from reverse_etl.replica import replicate
from reverse_etl.sandbox import Sandbox
from tests.harness import insert
from tests.reverse_etl.conftest import NOW, Line
from warehouse.compiled import CompiledProject, run_models
from warehouse.connection import connect
from warehouse.landing import ensure_raw

PEOPLE = ("ada", "ben", "cleo")
FIELDS = ("band", "email", "plan")
INPUTS = (
    "profile_values",
    "known_people",
    "desired_moments",
    "desired_audiences",
    "profile_attributes",
    "destinations",
    "tiers",
)
CREATE_INPUTS = """
    create schema if not exists kairos;
    create table kairos.profile_values (
        user_key varchar, attribute_name varchar, attribute_value varchar
    );
    create table kairos.known_people as
    select unnest(['ada', 'ben', 'cleo']) as user_key;
    create table kairos.desired_moments (
        idempotency_key varchar, destination varchar, object_key varchar, user_key varchar,
        decision_id varchar, payload varchar, scope varchar, tier varchar, priority integer,
        decided_at timestamp, expires_at timestamp
    );
    create table kairos.desired_audiences (
        destination varchar, kind varchar, object_key varchar, user_key varchar, payload varchar,
        field_names varchar
    );
    create table kairos.profile_attributes as
    select
        unnest(['band', 'email', 'plan']) as attribute_name, 'appcues' as destination,
        attribute_name as destination_field, false as is_hashed, true as is_enabled;
    create or replace table kairos.destinations as
    select 'appcues' as destination, 'resend' as unknown_policy, true as is_enabled;
    create table kairos.tiers as select 'high' as tier, 1 as tier_rank
"""

Profiles = dict[str, dict[str, str]]


class World:
    """People with attributes, the models that plan for them, and a platform: a dictionary."""

    def __init__(self, project: CompiledProject) -> None:
        self.connection = duckdb.connect()
        self.connection.execute("set threads = 1")
        ensure_raw(self.connection)
        self.connection.execute(CREATE_INPUTS)
        self.models = project.between(INPUTS, ["sync_plan"])
        self.owned: Profiles = defaultdict(dict)
        self.platform: Profiles = defaultdict(dict)
        self.told: dict[str, set[str]] = defaultdict(set)
        """What the platform was perhaps told of, by person."""
        self.nameless: set[str] = set()
        """People of whom it was told something without a note of what."""
        self.forgets_names = False
        """Whether the log is written as by versions of Kairos that noted no fields."""
        self.sequence = 0

    def map(self, **is_enabled: bool) -> None:
        self.connection.executemany(
            "update kairos.profile_attributes set is_enabled = ? where attribute_name = ?",
            [[value, name] for name, value in is_enabled.items()],
        )

    def mapped(self) -> set[str]:
        query = "select attribute_name from kairos.profile_attributes where is_enabled"
        return {name for (name,) in self.connection.execute(query).fetchall()}

    def plan(self) -> list[dict[str, Any]]:
        self.connection.execute("delete from kairos.profile_values")
        values = [
            {"user_key": person, "attribute_name": name, "attribute_value": json.dumps(value)}
            for person, fields in self.owned.items()
            for name, value in fields.items()
        ]
        insert(self.connection, "kairos.profile_values", values)
        run_models(self.connection, self.models, NOW + timedelta(minutes=self.sequence))
        cursor = self.connection.execute("select * from kairos.sync_plan order by user_key")
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def payloads(self) -> dict[str, dict[str, str | None]]:
        return {row["user_key"]: json.loads(row["payload"]) for row in self.plan()}

    def end(self, row: dict[str, Any], state: str, arrives: bool) -> None:
        """Write down how the delivery of a planned row ended."""
        person, payload = row["user_key"], json.loads(row["payload"])
        if arrives:
            self.platform[person] |= payload
            for name in [name for name, value in payload.items() if value is None]:
                del self.platform[person][name]
        if state in ("accepted", "unknown"):
            self.told[person] |= payload.keys()
        self.sequence += 1
        at = (NOW + timedelta(minutes=self.sequence)).replace(tzinfo=None)
        if self.forgets_names:
            self.nameless.add(person)
        kept = ("operation_id", "idempotency_key", "destination", "kind", "operation", "object_key")
        done = {
            **{name: row[name] for name in (*kept, "user_key", "payload_hash")},
            "field_names": None if self.forgets_names else row["field_names"],
            "sequence": self.sequence,
            "state": state,
            "acknowledged_at": at if state == "accepted" else None,
            "loaded_at": at,
        }
        insert(self.connection, "raw.sync_operations", [done])

    def deliver(self) -> None:
        for row in self.plan():
            self.end(row, "accepted", arrives=True)

    def settle(self) -> None:
        """Deliver, and see that nothing is left to do."""
        self.deliver()
        assert self.plan() == []


@pytest.fixture
def world(project: CompiledProject) -> World:
    return World(project)


def test_what_is_lost_is_said_once_as_null_and_only_to_whom_it_was_said(world: World) -> None:
    world.owned |= {"ada": {"band": "high", "email": "a"}, "ben": {"band": "low"}}
    assert world.payloads() == world.owned
    world.settle()

    del world.owned["ada"]["email"]
    assert world.payloads() == {"ada": {"band": "high", "email": None}}
    world.settle()

    # who lost everything is still somebody to update
    world.owned["ada"] = {}
    assert world.payloads() == {"ada": {"band": None, "email": None}}
    world.settle()
    assert world.platform == {"ada": {}, "ben": {"band": "low"}}

    world.owned["ada"]["email"] = "b"
    assert world.payloads() == {"ada": {"band": None, "email": "b"}}


def test_what_is_no_longer_mapped_is_left_and_is_taken_away_when_it_is_mapped_again(
    world: World,
) -> None:
    world.owned["ada"] = {"band": "high", "email": "a"}
    world.settle()
    world.map(email=False)
    assert world.payloads() == {"ada": {"band": "high"}}
    world.settle()
    assert world.platform["ada"] == {"band": "high", "email": "a"}

    world.map(band=False)
    world.owned["ada"] = {}
    assert world.payloads() == {}, "nothing of it is mapped"
    world.map(email=True)
    assert world.payloads() == {"ada": {"email": None}}


def test_what_perhaps_arrived_is_taken_away(world: World) -> None:
    world.owned["ada"] = {"band": "high"}
    world.settle()
    world.owned["ada"]["email"] = "a"
    [row] = world.plan()
    world.end(row, "unknown", arrives=True)
    del world.owned["ada"]["email"]
    assert world.payloads() == {"ada": {"band": "high", "email": None}}


def test_what_was_refused_is_nothing_to_take_away(world: World) -> None:
    world.owned["ada"] = {"band": "high", "email": "a"}
    [row] = world.plan()
    world.end(row, "rejected", arrives=False)
    world.owned["ada"] = {"band": "high"}
    assert world.payloads() == {"ada": {"band": "high"}}
    world.owned["ada"] = {}
    assert world.payloads() == {}


def test_of_whom_an_older_version_told_everything_mapped_is_perhaps_there_once(
    world: World,
) -> None:
    world.forgets_names = True
    world.owned |= {"ada": {"band": "high", "email": "a"}, "ben": dict.fromkeys(FIELDS, "x")}
    world.deliver()
    world.forgets_names = False
    del world.owned["ada"]["email"]
    # of ben, who has all that is mapped, nothing needs to be said again
    assert world.payloads() == {"ada": {"band": "high", "email": None, "plan": None}}
    world.settle()


def change(world: World, dice: random.Random) -> None:
    person, name = dice.choice(PEOPLE), dice.choice(FIELDS)
    match dice.randrange(4):
        case 0:
            world.map(**{name: name not in world.mapped()})
        case 1:
            world.owned[person].pop(name, None)
        case _:
            world.owned[person][name] = dice.choice("xyz")


@pytest.mark.parametrize("seed", range(3))
def test_any_history_leaves_the_platform_with_what_people_have(world: World, seed: int) -> None:
    """Values, mappings and answers at random, for some of the time under an older version."""
    dice = random.Random(seed)
    perhaps: set[str] = set()
    for step in range(20):
        world.forgets_names = seed % 2 == 1 and step < 8
        for _ in range(dice.randrange(1, 4)):
            change(world, dice)
        for row in world.plan():
            person, key = row["user_key"], row["idempotency_key"]
            payload = json.loads(row["payload"])
            never = {n for n, v in payload.items() if v is None} - world.told[person]
            assert not never or person in world.nameless, (step, person, never)
            # no platform refuses what it took before
            ends = [("accepted", True), ("unknown", True), ("unknown", False)]
            ends += [] if key in perhaps else [("rejected", False), ("retryable", False)]
            state, arrives = dice.choice(ends)
            if state == "unknown":
                perhaps.add(key)
            if dice.random() < 0.9:
                world.end(row, state, arrives)
    world.map(**dict.fromkeys(FIELDS, True))
    world.settle()
    assert {p: world.platform[p] for p in PEOPLE} == {p: world.owned[p] for p in PEOPLE}


def test_the_ledger_notes_the_fields_and_the_warehouse_learns_them(
    line: Line, sandbox: Sandbox, project: CompiledProject
) -> None:
    models = project.between(INPUTS, ["sync_plan"])

    def deliver(*values: tuple[str, str]) -> dict[str, Any]:
        line.now += timedelta(minutes=1)
        with connect(line.home) as connection:
            connection.execute("delete from kairos.profile_values")
            for name, value in values:
                row = ["ada", name, json.dumps(value)]
                connection.execute("insert into kairos.profile_values values (?, ?, ?)", row)
            run_models(connection, models, line.now)
        report = line.sync("appcues")
        with Ledger.open(line.home.ledger_url) as ledger:
            replicate(line.home, ledger, line.now)
        return dict(report.counts)

    with connect(line.home) as connection:
        connection.execute("drop view kairos.sync_state; drop table kairos.sync_plan")
        connection.execute("drop table kairos.destinations")
        connection.execute(CREATE_INPUTS)
    assert deliver(("band", "high"), ("email", "a")) == {"accepted": 1}
    assert deliver(("band", "high")) == {"accepted": 1}
    assert deliver(("band", "high")) == {}
    assert line.query("select distinct field_names from raw.sync_operations") == [
        ('["band","email"]',)
    ]
    [*_, request] = sandbox.requests("appcues")
    assert json.loads(request.body_bytes) == {"band": "high", "email": None}

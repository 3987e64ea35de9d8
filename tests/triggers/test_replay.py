"""Replaying a stretch of history gives what was decided, and under other settings what would be."""

import csv
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

import duckdb
import pytest

from tests.harness import START, Happening, insert, instant, named, raw_event
from tests.triggers.world import CONFIGURATION, INPUTS, World
from warehouse import replay as replaying
from warehouse.compiled import CompiledProject, create_histories, load_seed, run_models
from warehouse.connection import connect
from warehouse.errors import KairosError
from warehouse.home import PROJECT, Home
from warehouse.landing import ensure_raw
from warehouse.replay import Replay, replay

PEOPLE = [f"person-{number}" for number in range(8)]
SOON, LATER = 600, 1200


def pause(person: str, at: float) -> list[Happening]:
    page = {"page_view_id": f"{person}-{at}"}
    return [
        Happening(at, "page_view", page, f"{person}-{at}-a", person, person),
        Happening(at + 60, "page_ping", page, f"{person}-{at}-b", person, person, loaded_at=at),
    ]


def moment(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def decided(project: CompiledProject, folder: Path, loads: dict[int, list[Happening]]) -> Home:
    """Make a warehouse that took in each load and then decided, and whose messages arrived."""
    home = Home(folder, folder / "warehouse.duckdb", "", folder / "landing")
    models = project.between([], ["trigger_decisions"])
    with connect(home) as connection:
        ensure_raw(connection)
        connection.execute("create schema kairos")
        for model in models:
            if model.kind == "seed":
                load_seed(connection, model, model.seed_path)
        models = [model for model in models if model.kind == "model"]
        create_histories(connection, models)
        for as_of, happenings in loads.items():
            insert(connection, "raw.events", [raw_event(each) for each in named(happenings)])
            run_models(connection, models, moment(as_of))
            deliver(connection, instant(as_of))
    return home


@pytest.fixture(scope="module")
def warehouse(project: CompiledProject, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A warehouse that decided twice, and whose messages were accepted at the very instant."""
    loads = {
        as_of: [event for person in PEOPLE for event in pause(person, as_of - 500)]
        for as_of in (SOON, LATER)
    }
    home = decided(project, tmp_path_factory.mktemp("warehouse"), loads)
    before = home.warehouse.read_bytes()
    yield home
    assert home.warehouse.read_bytes() == before, "a replay wrote into what it replays"


@pytest.fixture
def home(warehouse: Home, project: CompiledProject, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setattr(replaying, "compile_project", lambda home: project)
    return warehouse


def deliver(connection: duckdb.DuckDBPyConnection, at: datetime) -> None:
    connection.execute(
        """
        insert into raw.sync_operations (
            sequence, operation_id, decision_id, kind, user_key, state, scope, planned_at, loaded_at
        )
        select
            row_number() over (order by decision_id), decision_id, decision_id, 'moment', user_key,
            'accepted',
            json_object(
                'trigger_name', trigger_name, 'session_id', session_id, 'tier', tier,
                'channel', channel, 'tags', string_split(tags, '|')
            ),
            $at, $at
        from kairos.trigger_decisions where outcome = 'send' and decided_at = $at
        """,
        {"at": at},
    )


def stretch(home: Home, **settings: Path) -> Replay:
    return replay(home, moment(0), moment(LATER + 1), settings)


def test_the_same_settings_decide_the_same(home: Home) -> None:
    done = stretch(home)
    assert done.steps == 2
    assert done.before.by_reason["pause_live_chat", "send", "passed"] == len(PEOPLE)
    assert done.after == done.before
    assert done.is_recorded
    assert done.differing_decisions == 0


def test_late_data_and_many_runs_are_replayed_to_the_row(
    project: CompiledProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a run could not know yet, its replay does not know either."""
    monkeypatch.setattr(replaying, "compile_project", lambda home: project)
    chance = Random(1)
    runs = [600 * number for number in range(1, 5)]
    loads: dict[int, list[Happening]] = {run: [] for run in runs}
    for person in PEOPLE:
        for at in chance.sample(range(100, 2300, 100), k=4):
            first = next(run for run in runs if run > at + 60)
            late = chance.choice([run for run in runs if run >= first])
            run = first if chance.random() < 0.6 else late
            loads[run] += [replace(event, loaded_at=run) for event in pause(person, at)]
    home = decided(project, tmp_path, loads)
    untouched = home.warehouse.read_bytes()

    done = replay(home, moment(0), moment(2401), {})

    assert done.steps == len(runs)
    assert done.before.sends > 0
    assert len({outcome for _, outcome, _ in done.before.by_reason}) > 1
    assert done.after == done.before
    assert done.differing_decisions == 0
    assert home.warehouse.read_bytes() == untouched


def test_what_other_settings_would_not_have_sent_takes_no_place(home: Home, tmp_path: Path) -> None:
    """Without the live chat, the place that it took under the caps is the help tip's."""
    triggers = tmp_path / "triggers.csv"
    with (PROJECT / "seeds" / "triggers.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["trigger_name"] != "pause_live_chat"]
    with triggers.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    replayed = stretch(home, triggers=triggers).after.by_reason
    sent = replayed["pause_help_tip", "send", "passed"]
    ghosts = sum(n for (_, outcome, _), n in replayed.items() if outcome == "ghost")
    assert sent + ghosts == len(PEOPLE)


TEN_MINUTES = timedelta(minutes=10)


def scheduled(home: Home, every: timedelta = TEN_MINUTES, **trials: Path) -> Replay:
    return replay(home, moment(0), moment(LATER + 1), trials, every)


def test_a_schedule_decides_what_its_runs_decided(home: Home) -> None:
    done = scheduled(home)
    assert done.steps == 3
    assert done.is_recorded
    assert done.before.sends == len(PEOPLE)
    assert done.after.by_reason == done.before.by_reason
    assert done.differing_decisions == 0


@pytest.fixture
def variant(tmp_path: Path) -> Callable[..., Path]:
    """Write a seed again with one column changed in every row that a condition picks."""

    def write(seed: str, column: str, value: str, name: str) -> Path:
        with (PROJECT / "seeds" / f"{seed}.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        for row in rows:
            if name in row.values():
                row[column] = value
        path = tmp_path / f"{seed}_{column}.csv"
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)
        return path

    return write


def test_a_schedule_compares_settings_with_settings(home: Home, variant) -> None:
    none = variant("fatigue_caps", "maximum", "0", "two_per_session")
    done = scheduled(home, fatigue_caps=none)
    assert not done.is_recorded
    assert done.before.sends == len(PEOPLE)
    assert done.after.sends == 0
    assert done.people_lost == len(PEOPLE)
    assert done.people_gained == 0
    assert done.before.people_by_sends == {1: len(PEOPLE)}


def test_another_threshold_finds_other_moments(home: Home, variant) -> None:
    patient = variant("signal_thresholds", "escalation", "61", "session_pause")
    done = scheduled(home, signal_thresholds=patient)
    assert done.before.by_reason["pause_live_chat", "send", "passed"] == len(PEOPLE)
    assert done.after.by_reason["pause_live_chat", "send", "passed"] == 0
    assert done.after.by_reason["pause_help_tip", "send", "passed"] > 0


@pytest.mark.parametrize(
    ("seed", "change", "said"),
    [
        ("nonesuch", {}, "there is no seed 'nonesuch'"),
        ("fatigue_caps", {"header": "maximum"}, "row 1: the column maximum is missing"),
        ("fatigue_caps", {"window_kind": "fortnight"}, "row 2: window_kind 'fortnight' is none of"),
        ("fatigue_caps", {"maximum": "many"}, 'Line: 2 Error when converting column "maximum"'),
        ("signal_thresholds", {"signal_name": "boredom"}, "row 2: signal_name 'boredom' is none"),
    ],
)
def test_a_file_that_is_no_seed_is_refused_by_row(
    home: Home, tmp_path: Path, seed: str, change: dict[str, str], said: str
) -> None:
    known = seed if seed != "nonesuch" else "fatigue_caps"
    with (PROJECT / "seeds" / f"{known}.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    if gone := change.pop("header", None):
        rows = [{key: value for key, value in row.items() if key != gone} for row in rows]
    rows[0] |= change
    path = tmp_path / "trial.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    with pytest.raises(KairosError) as refused:
        scheduled(home, **{seed: path})
    assert said in str(refused.value)


def test_a_file_that_is_no_text_and_a_warehouse_that_is_none_are_said(
    home: Home, tmp_path: Path
) -> None:
    path = tmp_path / "trial.csv"
    path.write_bytes(b"cap_name,\xff\n")
    with pytest.raises(KairosError, match=r"trial.csv: .* save it as UTF-8"):
        scheduled(home, fatigue_caps=path)
    empty = tmp_path / "empty"
    with pytest.raises(KairosError, match="nothing was ever decided: run `kairos build` first"):
        scheduled(Home(empty, empty / "warehouse.duckdb", "", empty))


def test_a_stretch_in_which_nothing_happened_is_said(home: Home) -> None:
    with pytest.raises(KairosError, match="nothing was decided in that stretch"):
        replay(home, moment(LATER + 10), moment(LATER + 20), {})
    assert replay(home, moment(LATER + 10), moment(LATER + 20), {}, TEN_MINUTES).after.sends == 0
    with pytest.raises(KairosError, match="--to must lie after --from"):
        replay(home, moment(10), moment(10), {})


STEPS = [START + number * TEN_MINUTES for number in range(1, 11)]


def crowded(world: World, seed: int) -> None:
    """Fill a world in which limits of every scope bind and many moments wait, some for long."""
    chance = Random(seed)
    names = ("waiting_tip", "delayed_tip", "chat", "mail")
    world.insert("experiments", {"experiment": "arms", "hash_seed": "s", "unit": "account"})
    world.connection.execute("update kairos.experiments set is_enabled = true")
    for arm, low, high in (("control", 0.0, 0.5), ("shown", 0.5, 1.0)):
        world.insert(
            "experiment_arms",
            {"experiment": "arms", "arm": arm, "bucket_from": low, "bucket_to": high}
            | {"is_control": arm == "control"},
        )
    world.trigger("waiting_tip", on_capped="defer", expiry_seconds=4000, experiment="arms")
    world.trigger("delayed_tip", on_capped="defer", delay_seconds=900, tags="help")
    world.trigger("chat", channel="chat", priority=70, exit_events="left", cooldown_seconds=900)
    world.trigger("mail", channel="email", tier="high", re_eligible_after_seconds=None)
    world.cap("of_person", window_seconds=1500)
    world.cap("of_session", window_kind="session", maximum=2)
    world.cap("of_account", scope="account", window_seconds=1800, maximum=2)
    for number in range(12):
        world.person(f"p{number}", account_id=f"a{number % 3}" if number < 9 else None)
    for number in range(12, 40):
        world.person(f"p{number}", account_id="large")
        when = START + timedelta(seconds=190 * (number - 12))
        world.moment("mail", when, f"p{number}", f"of p{number}")
    for _ in range(160):
        person = chance.randrange(12)
        world.moment(
            chance.choice(names),
            START + timedelta(seconds=chance.choice(range(0, 5400, 30))),
            chance.choice([f"p{person}"] * 9 + [None]),
            f"s{chance.randrange(8)}",
        )
        if chance.random() < 0.2:
            world.insert(
                "events",
                {"user_key": f"p{person}", "event_name": "left"}
                | {"event_at": START + timedelta(seconds=chance.randrange(5400))},
            )


def saved(world: World, folder: Path) -> tuple[Home, CompiledProject]:
    """Write what a world decided as a warehouse, and its configuration as seeds."""
    home = Home(folder, folder / "warehouse.duckdb", "", folder / "landing")
    execute = world.connection.execute
    execute(f"attach '{home.warehouse}' as saved; create schema saved.kairos")
    execute("create schema saved.raw")
    execute("create table saved.raw.sync_operations as from raw.sync_operations")
    for table in (*INPUTS, "trigger_decisions"):
        execute(f"create table saved.kairos.{table} as from kairos.{table}")
    execute("detach saved")
    models = {model.name: model for model in world.models}
    for name in CONFIGURATION:
        execute(f"copy kairos.{name} to '{folder / name}.csv' (header)")
        models[name] = replace(world.project.models[name], seed_path=folder / f"{name}.csv")
    known = {name: model for name, model in world.project.models.items() if name in INPUTS}
    ordered = {name: models.get(name) or known.get(name) for name in world.project.models}
    return home, CompiledProject({name: model for name, model in ordered.items() if model})


@pytest.mark.parametrize("seed", [1, 2])
def test_a_step_sees_all_that_bears_on_it(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Steps that see a part of history decide as runs that see all of it, whatever waits."""
    crowded(world, seed)
    for step in STEPS:
        world.run(world.models, step)
        if step == STEPS[2]:
            deliver(world.connection, step.replace(tzinfo=None))
    home, project = saved(world, tmp_path)
    monkeypatch.setattr(replaying, "compile_project", lambda home: project)
    for start in (START, STEPS[3]):
        done = replay(home, start, STEPS[-1], {}, TEN_MINUTES)
        assert done.differing_decisions == 0
        assert done.after == done.before
        [(decisions, deferrals)] = world.connection.execute(
            "select count(distinct decision_id), count(*) - count(distinct decision_id) "
            "from kairos.trigger_decisions where decided_at > $1",
            [start.replace(tzinfo=None)],
        ).fetchall()
        assert deferrals > 20
        assert sum(done.after.by_reason.values()) == decisions

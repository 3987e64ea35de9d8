"""Replaying a stretch of history gives what was decided, and under other settings what would be."""

import csv
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from tests.harness import START, Happening, instant, named, raw_event
from warehouse import replay as replaying
from warehouse.compiled import CompiledProject, create_histories, load_seed, run_models
from warehouse.connection import connect
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


@pytest.fixture
def home(project: CompiledProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A warehouse that decided twice, and whose messages were accepted at the very instant."""
    home = Home(tmp_path, tmp_path / "warehouse.duckdb", "", tmp_path / "landing")
    monkeypatch.setattr(replaying, "compile_project", lambda home: project)
    models = project.between([], ["trigger_decisions"])
    with connect(home) as connection:
        ensure_raw(connection)
        connection.execute("create schema kairos")
        for model in models:
            if model.kind == "seed":
                load_seed(connection, model, model.seed_path)
        models = [model for model in models if model.kind == "model"]
        create_histories(connection, models)
        for as_of in (SOON, LATER):
            for person in PEOPLE:
                for happening in named(pause(person, as_of - 500)):
                    row = raw_event(happening)
                    marks = ", ".join("?" * len(row))
                    connection.execute(
                        f"insert into raw.events ({', '.join(row)}) values ({marks})",
                        list(row.values()),
                    )
            run_models(connection, models, moment(as_of))
            deliver(connection, instant(as_of))
    return home


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
    assert done.recorded["pause_live_chat", "send", "passed"] == len(PEOPLE)
    assert done.replayed == done.recorded
    assert done.differing_decisions == 0


def test_what_other_settings_would_not_have_sent_takes_no_place(home: Home, tmp_path: Path) -> None:
    """Without the live chat, the place that it took under the caps is the help tip's."""
    triggers = tmp_path / "triggers.csv"
    with (PROJECT / "seeds" / "triggers.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["trigger_name"] != "pause_live_chat"]
    with triggers.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    replayed = stretch(home, triggers=triggers).replayed
    sent = replayed["pause_help_tip", "send", "passed"]
    ghosts = sum(n for (_, outcome, _), n in replayed.items() if outcome == "ghost")
    assert sent + ghosts == len(PEOPLE)

"""The plan or a macro is corrected, nothing else: the next run makes history right, by real dbt."""

import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from warehouse import transform
from warehouse.connection import connect
from warehouse.home import PROJECT, Home
from warehouse.ingest.load import ingest

LOADED_AT = datetime(2026, 1, 5, 12, tzinfo=UTC)
WORDS = ("staging", "events", "sessions")
"""The folders of models up to the sessions: a run of all that is there leaves its mark."""


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project up to the sessions, of which a test may edit the seeds."""
    folder = tmp_path / "project"
    for name in ("macros", "seeds", "tests/dbt/generic", *(f"models/{word}" for word in WORDS)):
        shutil.copytree(PROJECT / name, folder / name)
    for name in ("dbt_project.yml", "profiles.yml"):
        shutil.copy(PROJECT / name, folder)
    monkeypatch.setattr(transform, "PROJECT", folder)
    return folder


@pytest.fixture
def run(scratch: Path, home: Home) -> Callable[[int], None]:
    def run(minute: int) -> None:
        as_of = LOADED_AT + timedelta(minutes=minute)
        transform.dbt(home, ["build", "--exclude-resource-type", "unit_test", "test"], as_of=as_of)

    return run


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.from_env({"KAIROS_HOME": str(tmp_path / "home")})


def take(home: Home, folder: Path, number: int, second: int, name: str) -> None:
    """Deliver one event without properties, in a file and a minute of its own."""
    event = {
        "event_id": f"e{number}",
        "anonymous_id": "ann-browser",
        "event_name": name,
        "event_at": (LOADED_AT + timedelta(seconds=second - 3600)).isoformat(),
        "properties": {},
    }
    path = folder / f"{number}.jsonl"
    path.write_text(json.dumps(event) + "\n")
    ingest(home, [str(path)], LOADED_AT + timedelta(minutes=number), "kairos")


def rows(home: Home, query: str) -> list[tuple]:
    with connect(home) as connection:
        return connection.execute(query).fetchall()


def correct(scratch: Path, seed: str, old: str, new: str) -> None:
    edit(scratch / "seeds" / f"{seed}.csv", old, new)


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))


ACCEPTED = "select event_id, event_name from kairos.events order by event_id"
REJECTED = "select event_id, reason, payload from kairos.events_rejected"
UNKNOWN = "select source_event_name, event_count from kairos.unknown_event_names"
SESSION = "select event_count, epoch(ended_at - started_at) from kairos.sessions"


def test_what_the_plan_refused_comes_in_once_the_plan_is_corrected(
    scratch: Path, home: Home, run: Callable[[int], None], tmp_path: Path
) -> None:
    take(home, tmp_path, 0, 0, "page_view")
    take(home, tmp_path, 1, 60, "cta_click")
    take(home, tmp_path, 2, 30, "Moon Phase")
    run(3)

    assert rows(home, ACCEPTED) == [("e0", "page_view"), ("e2", "moon_phase")]
    [(event_id, reason, payload)] = rows(home, REJECTED)
    assert (event_id, reason) == ("e1", "missing_property:cta_id")
    assert json.loads(payload)["event_name"] == "cta_click"
    assert rows(home, UNKNOWN) == [("Moon Phase", 1)]
    assert rows(home, SESSION) == [(2, 30)]

    # nothing new is delivered: it is the plan alone that changes
    correct(
        scratch, "event_properties", "cta_click,cta_id,text,true", "cta_click,cta_id,text,false"
    )
    correct(
        scratch, "event_aliases", "*,link_click,click\n", "*,link_click,click\n*,moon phase,focus\n"
    )
    run(4)

    assert rows(home, ACCEPTED) == [("e0", "page_view"), ("e1", "cta_click"), ("e2", "focus")]
    assert rows(home, REJECTED) == []
    assert rows(home, UNKNOWN) == []
    assert rows(home, SESSION) == [(3, 60)]


def test_a_macro_that_is_corrected_is_run_over_all_of_history(
    scratch: Path, home: Home, run: Callable[[int], None], tmp_path: Path
) -> None:
    """The events change places, far from the session that they had made, which is no more."""
    take(home, tmp_path, 0, 0, "page_view")
    take(home, tmp_path, 1, 60, "click")
    run(3)

    instant = "timezone('UTC', try_cast({{ text }} as timestamptz))"
    mirrored = f"timestamp '2026-01-05' - ({instant} - timestamp '2026-01-05 11:00:00')"
    edit(scratch / "macros" / "time.sql", instant, mirrored)
    run(4)

    sessions = rows(home, "select cast(started_at as text), event_count from kairos.sessions")
    assert sessions == [("2026-01-04 23:59:00", 2)]
    spans = rows(
        home, "select cast(started_at as text) from kairos.int_session_spans where is_current"
    )
    assert spans == [("2026-01-04 23:59:00",)]

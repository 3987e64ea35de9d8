"""What of the landing folder is taken, and when the sensor asks for a run."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from orchestration.landing import new_files, settled, wait_for
from orchestration.line import landing_sensor
from warehouse.home import Home

QUIET = timedelta(seconds=10)


def later(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


def test_a_file_that_just_changed_may_still_be_written(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text("{}")

    assert settled([file], later(0), QUIET) == {}
    assert settled([file], later(11), QUIET) == {str(file): (2, file.stat().st_mtime_ns)}


def test_an_old_time_that_was_copied_along_does_not_hide_a_young_file(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text("{}")
    os.utime(file, (0, 0))

    assert settled([file], later(0), QUIET) == {}


def test_a_file_that_vanishes_is_no_trouble(tmp_path: Path) -> None:
    gone = tmp_path / "gone.jsonl"

    assert settled([gone], later(0), QUIET) == {}
    assert new_files([gone], {}) == []


def test_a_known_file_is_new_again_when_it_has_changed(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text("{}")
    marks = settled([file], later(11), QUIET)
    assert new_files([file], marks) == []

    file.write_text("{}{}")

    assert new_files([file], marks) == [file]


def test_waiting_ends_when_a_file_is_quiet_and_gives_up_on_one_that_never_is(
    tmp_path: Path,
) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text("{}")
    now = [datetime.now(UTC)]

    def sleep(seconds: float) -> None:
        now[0] += timedelta(seconds=seconds)

    marks, growing = wait_for([file], QUIET, timedelta(seconds=60), lambda: now[0], sleep)
    assert (list(marks), growing) == ([str(file)], [])

    now[0] = datetime.now(UTC)
    marks, growing = wait_for([file], QUIET, timedelta(seconds=5), lambda: now[0], sleep)
    assert (marks, growing) == ({}, [str(file)])


@pytest.fixture
def landing(home: Home, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KAIROS_HOME", str(home.root))
    monkeypatch.setattr("orchestration.line.QUIET", timedelta(0))
    return home.landing


def look(cursor: str | None = None) -> dg.SensorResult | dg.SkipReason:
    return landing_sensor(dg.build_sensor_context(cursor=cursor))


def test_the_sensor_asks_for_one_run_for_all_that_is_new(landing: Path) -> None:
    assert isinstance(look(), dg.SkipReason)
    for name in ("a.jsonl", "b.csv"):
        (landing / name).write_text("{}")

    first = look()

    [request] = first.run_requests
    assert request.tags["kairos/files"] == "2"
    assert isinstance(look(first.cursor), dg.SkipReason)


def test_the_sensor_asks_again_when_a_file_has_changed(landing: Path) -> None:
    (landing / "a.jsonl").write_text("{}")
    first = look()
    (landing / "a.jsonl").write_text("{}\n{}")

    second = look(first.cursor)

    assert second.run_requests[0].run_key != first.run_requests[0].run_key


def test_the_sensor_passes_over_what_is_no_delivery(landing: Path) -> None:
    for name in (".hidden.jsonl", "a.jsonl.part", "notes.md"):
        (landing / name).write_text("{}")

    assert isinstance(look(), dg.SkipReason)


def test_the_cursor_forgets_files_that_are_gone(landing: Path) -> None:
    (landing / "a.jsonl").write_text("{}")
    first = look()
    (landing / "a.jsonl").unlink()
    (landing / "b.jsonl").write_text("{}")

    assert "a.jsonl" not in look(first.cursor).cursor


def test_without_a_landing_folder_there_is_nothing_to_do(landing: Path) -> None:
    landing.rmdir()

    assert isinstance(look(), dg.SkipReason)

"""The generator of the demo: the same bytes each time, and every trouble that it promises."""

import gzip
import hashlib
import json
from collections import Counter
from pathlib import Path

import pytest
from click.testing import CliRunner

from kairos.demo.events import END, Settings, epoch_ms, generate, main
from kairos.demo.people import Person
from kairos.demo.product import PAUSE_SECONDS
from kairos.demo.transport import DAMAGES
from kairos.demo.visits import live

SMALL = Settings(people=120)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def manifest(folder: Path) -> dict:
    return generate(folder, SMALL)


def lines_of(folder: Path, manifest: dict, file_format: str) -> list[str]:
    names = [file["name"] for file in manifest["files"] if file["format"] == file_format]
    return [line for name in names for line in lines_in(folder / name)]


def lines_in(path: Path) -> list[str]:
    return gzip.decompress(path.read_bytes()).decode().splitlines()


def readable(lines: list[str]) -> list[dict]:
    documents = []
    for line in lines:
        try:
            documents.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return [document for document in documents if isinstance(document, dict)]


def digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def test_a_second_call_writes_the_same_bytes(folder: Path, manifest: dict, tmp_path: Path) -> None:
    generate(tmp_path, SMALL)
    assert digests(tmp_path) == digests(folder)


def test_another_seed_makes_other_people(folder: Path, manifest: dict, tmp_path: Path) -> None:
    generate(tmp_path, Settings(people=120, seed=8))
    assert digests(tmp_path)["users.csv"] != digests(folder)["users.csv"]


def test_a_person_is_the_same_however_many_others_there_are() -> None:
    start_ms, end_ms = epoch_ms(SMALL.start), epoch_ms(END)
    first, second = (Person.draw(7, 3, start_ms, end_ms) for _ in range(2))
    assert live(first, end_ms).events == live(second, end_ms).events


def test_every_line_is_an_event_a_duplicate_or_a_planted_fault(
    folder: Path, manifest: dict
) -> None:
    troubles = Counter(manifest["troubles"])
    duplicates = troubles["duplicate_exact"] + troubles["duplicate_changed"]
    unusable = sum(troubles[kind] for kind in (*DAMAGES, "too_large"))
    assert manifest["lines"] == manifest["events"] + duplicates + unusable
    lines = lines_of(folder, manifest, "kairos") + lines_of(folder, manifest, "segment")
    assert len(lines) == manifest["lines"]


def test_every_kind_of_trouble_is_planted(manifest: dict) -> None:
    kinds = {*DAMAGES, "too_large", "late", "duplicate_exact", "duplicate_changed"}
    assert {kind for kind, count in manifest["troubles"].items() if count > 0} == kinds


def test_every_kind_of_behaviour_is_planted(manifest: dict) -> None:
    assert set(manifest["behaviour"]) == {
        *("session_pause", "shallow_scroll", "cta_failure", "rage_click", "hidden_tab"),
        *("setup_left_open", "milestone_reached", "onboarding_completed"),
        *("completed_within_24_hours", "declared_bot", "headless_bot"),
        "people_with_fresh_moment",
    }
    assert all(manifest["behaviour"].values())
    assert all(manifest["people"].values())


def test_ids_repeat_exactly_as_often_as_the_manifest_says(folder: Path, manifest: dict) -> None:
    ids = Counter(
        event["event_id"] for event in readable(lines_of(folder, manifest, "kairos"))
    ) + Counter(event["messageId"] for event in readable(lines_of(folder, manifest, "segment")))
    del ids[None]
    troubles = manifest["troubles"]
    repeated = sum(count - 1 for count in ids.values())
    assert repeated == troubles["duplicate_exact"] + troubles["duplicate_changed"]


def test_nothing_arrives_before_it_happened_or_after_it_was_loaded(
    folder: Path, manifest: dict
) -> None:
    for file in manifest["files"]:
        if file["format"] != "kairos":
            continue
        loaded_at = file["loaded_at"][:19]
        for event in readable(lines_in(folder / file["name"])):
            event_at = event["event_at"] or ""
            assert not event_at.startswith("2026") or event_at[:19] <= loaded_at


def test_some_events_arrive_in_a_later_file_than_their_day(folder: Path, manifest: dict) -> None:
    late = 0
    for file in manifest["files"]:
        if file["format"] == "kairos":
            day = file["name"].removeprefix("events-")[:10]
            events = readable(lines_in(folder / file["name"]))
            late += sum("2026" < (event["event_at"] or "") < day for event in events)
    assert late > 0


def test_people_are_anonymous_until_they_sign_up() -> None:
    start_ms, end_ms = epoch_ms(SMALL.start), epoch_ms(END)
    person = Person.draw(7, 5, start_ms, end_ms)
    events = [event for _, event in sorted(live(person, end_ms).events, key=lambda item: item[0])]
    signed_up = next(i for i, event in enumerate(events) if event["event_name"] == "sign_up")
    assert {event["user_id"] for event in events[:signed_up]} == {None}
    assert events[signed_up]["user_id"] == person.user_id


def test_planted_pauses_are_the_long_silences_on_visible_pages() -> None:
    start_ms, end_ms = epoch_ms(SMALL.start), epoch_ms(END)
    for number in range(60):
        person = Person.draw(7, number, start_ms, end_ms)
        log = live(person, end_ms)
        planted = sum(fact == "session_pause" for fact, _ in log.facts)
        if not person.is_keyboard_only:
            assert planted == count_silences(log.events, end_ms), person.user_id


def count_silences(events: list[tuple[int, dict]], end_ms: int) -> int:
    """Count the gaps of 12 s or more between gestures on one page that stayed visible.

    The last silence is cut short by the end of the events, unless the page was left before.
    """
    silences, last_ms = 0, None
    for at_ms, event in events:
        name = event["event_name"]
        if name == "page_ping":
            continue
        if last_ms is not None and name != "page_view":
            silences += at_ms - last_ms >= PAUSE_SECONDS * 1000
        last_ms = None if name in ("page_hidden", "page_leave") else at_ms
    return silences + (last_ms is not None and end_ms - last_ms >= PAUSE_SECONDS * 1000)


def test_the_command_prints_the_manifest(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, [str(tmp_path / "out"), "--people", "20", "--days", "2"])
    assert result.exit_code == 0
    assert json.loads(result.output)["settings"] == {"people": 20, "days": 2, "seed": 7}

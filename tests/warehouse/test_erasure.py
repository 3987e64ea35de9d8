"""However an id is spelled, and wherever erasing is killed: one is gone, and the others stay."""

import contextlib
import gzip
import json
import re
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from deliveries import write
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.harness import compiled
from warehouse import erasure
from warehouse.connection import connect
from warehouse.erasure import erase_landing, erase_warehouse, trace
from warehouse.home import Home
from warehouse.ingest.load import ingest

NOW = datetime(2026, 2, 1, tzinfo=UTC)
PEOPLE = ["ann", "Zoë+o'1@x/y", "joann", "17"]
BROWSER_FIELDS = {"anonymous_id", "anonymousId", "amplitude_id"}
TABLES = ("raw.events", "raw.events_segment", "raw.events_amplitude")


class Killed(BaseException):
    """The process is gone."""


@pytest.fixture(scope="module", autouse=True)
def project(tmp_path_factory: pytest.TempPathFactory) -> Any:
    once = compiled(tmp_path_factory.mktemp("compiled"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(erasure, "compile_project", lambda _: once)
        yield


def delivered(style: str, number: int, user: int | None, browser: int) -> dict[str, Any]:
    """An event in one of three formats; the browser of Amplitude has only a number."""
    name, at = None if user is None else PEOPLE[user], f"2026-01-05T10:{number:02d}:00Z"
    if style == "kairos":
        event = {"event_id": f"e{number}", "event_name": "click", "event_at": at}
        return {**event, "user_id": name, "anonymous_id": f"b-{browser}"}
    if style == "segment":
        event = {"messageId": f"e{number}", "type": "track", "event": "click", "timestamp": at}
        return {**event, "userId": name, "anonymousId": f"b-{browser}"}
    event = {"$insert_id": f"e{number}", "event_type": "click", "event_time": at, "uuid": "u"}
    return {**event, "user_id": name, "device_id": None, "amplitude_id": 900 + browser}


def spelled(event: dict[str, Any], is_escaped: bool) -> bytes:
    """One line of JSON, as PHP and .NET write it, or with nothing escaped that need not be."""
    text = json.dumps(event, ensure_ascii=False)
    if is_escaped:
        text = re.sub(r"[^\x00-\x7f]|[+']", lambda one: f"\\u{ord(one[0]):04X}", text)
        text = text.replace("/", "\\/")
    return text.encode() + b"\n"


def kill_after(patch: pytest.MonkeyPatch, steps: int) -> None:
    """Let some files be put in place and some tables be cleared, and then nothing more."""
    left = iter(range(steps))
    for name in ("_put_in_place", "_delete"):
        real = getattr(erasure, name)

        def mortal(*args: Any, real: Any = real) -> Any:
            if next(left, None) is None:
                raise Killed
            return real(*args)

        patch.setattr(erasure, name, mortal)


def held(home: Home) -> Counter[tuple[Any, ...]]:
    with connect(home) as connection:
        return Counter(
            (table, *row)
            for table in TABLES
            for row in connection.execute(f"select * from {table}").fetchall()
        )


events = st.tuples(
    st.sampled_from(["kairos", "segment", "amplitude"]),
    st.one_of(st.none(), st.integers(0, 3)),
    st.integers(0, 3),
    st.booleans(),
)


@pytest.mark.property
@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    given=st.lists(events, min_size=1, max_size=14),
    packed=st.sets(st.sampled_from(["kairos", "segment", "amplitude"])),
    target=st.integers(0, 3),
    steps=st.integers(0, 6),
)
@example(
    given=[
        ("kairos", 1, 1, True),
        ("segment", 1, 1, True),
        ("amplitude", 1, 1, False),
        ("amplitude", None, 1, False),
        ("kairos", 0, 0, True),
    ],
    packed={"segment"},
    target=1,
    steps=1,
)
def test_a_person_is_gone_and_the_others_are_as_they_were(
    given: list[tuple[str, int | None, int, bool]], packed: set[str], target: int, steps: int
) -> None:
    # everybody has a browser of their own, at which they may not have signed in yet
    rows = [
        (
            style,
            delivered(style, n, user, browser if user is None else user),
            escaped,
            user,
            browser,
        )
        for n, (style, user, browser, escaped) in enumerate(given)
    ]
    # every other event of somebody who is signed in comes from a server, which knows no browser
    for n, (_, event, _, user, _) in enumerate(rows):
        if user is not None and n % 2 == 0:
            event.update({name: None for name in BROWSER_FIELDS & event.keys()})
    signed_in = {
        (style == "amplitude", user) for n, (style, _, _, user, _) in enumerate(rows) if n % 2
    }
    lines: dict[str, list[tuple[bytes, bool]]] = {}
    for style, event, escaped, user, browser in rows:
        is_signed_in = (style == "amplitude", target) in signed_in
        is_theirs = user == target or (user is None and browser == target and is_signed_in)
        lines.setdefault(style, []).append((spelled(event, escaped), is_theirs))
    with TemporaryDirectory() as folder:
        home = Home.from_env({"KAIROS_HOME": folder}).ensure()
        for style, those in lines.items():
            packing = "gzip" if style in packed else "plain"
            write(home.landing / f"{style}.jsonl", b"".join(one for one, _ in those), packing)
        ingest(home, [str(home.landing)], NOW)
        before = held(home)

        with pytest.MonkeyPatch.context() as patch:
            kill_after(patch, steps)
            with contextlib.suppress(Killed):
                erase(home, PEOPLE[target])
        erase(home, PEOPLE[target])

        others = [one for those in lines.values() for one, is_theirs in those if not is_theirs]
        kept = held(home)
        assert kept <= before
        assert sum(kept.values()) == len(others)
        assert landed(home.landing) == Counter(others)
        assert not trace(home, PEOPLE[target]).lines
        if others:
            assert ingest(home, [str(home.landing)], NOW).row_count == 0
        assert held(home) == kept


def erase(home: Home, user: str) -> None:
    traces = trace(home, user)
    assert [place for place in erase_landing(home, traces) if place.problem] == []
    erase_warehouse(home, traces)


def landed(folder: Path) -> Counter[bytes]:
    contents = [path.read_bytes() for path in folder.iterdir()]
    plain = [gzip.decompress(one) if one[:2] == b"\x1f\x8b" else one for one in contents]
    return Counter(line for one in plain for line in one.splitlines(keepends=True))

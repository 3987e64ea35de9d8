"""Two weeks of an onboarding, from a seed: the events that `kairos demo` sends down the line.

Everything is drawn from the seed and nothing from the clock, so the same call writes the same
bytes. The manifest beside the files says what was planted, to compare with what the line finds.
"""

import csv
import gzip
import io
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from kairos.demo.bots import crawl, run_headless
from kairos.demo.browser import Event, Log
from kairos.demo.people import Person
from kairos.demo.segment import canonical, segment_message
from kairos.demo.transport import OVERSIZED_LINES, Arrival, Transport
from kairos.demo.visits import live, traits

DAYS = 14
END = datetime(2026, 1, 18, 15, 40, tzinfo=UTC)
"""The demo's now: the middle of a busy hour of the last day."""
START = datetime(2026, 1, 5, tzinfo=UTC)
"""Midnight before the first event of the fourteen days."""

PEOPLE = 2000
SEED = 7
MANIFEST = "manifest.json"
USER_COLUMNS = (
    *("user_id", "account_id", "email_hash", "segment", "time_zone", "locale"),
    *("signed_up_at", "consents", "traits", "updated_at"),
)


@dataclass(frozen=True)
class Settings:
    """What a call of the generator may change."""

    people: int = PEOPLE
    days: int = DAYS
    seed: int = SEED

    @property
    def start(self) -> datetime:
        """Midnight before the first event: `days` calendar days end with the day of `END`."""
        midnight = END.replace(hour=0, minute=0, second=0, microsecond=0)
        return midnight - timedelta(days=self.days - 1)


def generate(folder: Path, settings: Settings) -> dict[str, Any]:
    """Write every file of the demo and its manifest into `folder`; return the manifest."""
    folder.mkdir(parents=True, exist_ok=True)
    start_ms, end_ms = epoch_ms(settings.start), epoch_ms(END)
    people = [
        Person.draw(settings.seed, number, start_ms, end_ms) for number in range(settings.people)
    ]
    lives = [(person, live(person, end_ms)) for person in people]
    bots = visit_by_bots(settings, start_ms, end_ms)
    plain = [log for person, log in lives if not person.speaks_segment] + bots
    segment = [log for person, log in lives if person.speaks_segment]

    files, troubles = [], Counter()
    for logs, transport in (
        (plain, Transport(settings.seed, end_ms, canonical)),
        (segment, Transport(settings.seed, end_ms, segment_message)),
    ):
        arrivals = carry(logs, transport)
        troubles.update(transport.troubles)
        is_plain = transport.encode is canonical
        files += (
            write_days(folder, arrivals, settings)
            if is_plain
            else [write_lines(folder / "segment.jsonl.gz", "segment", arrivals, END)]
        )
    files.append(write_users(folder, people, settings.seed))

    manifest = {
        "settings": {"people": settings.people, "days": settings.days, "seed": settings.seed},
        "start": settings.start.isoformat(),
        "end": END.isoformat(),
        "files": files,
        "events": sum(len(log.events) for log in [*plain, *segment]),
        "lines": sum(file["rows"] for file in files if file["format"] != "users"),
        "people": count_people(people),
        "troubles": dict(sorted(troubles.items())),
        "behaviour": count_facts(log for log in [*plain, *segment]),
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n")
    return manifest


def visit_by_bots(settings: Settings, start_ms: int, end_ms: int) -> list[Log]:
    """Let bots visit: three for every hundred people, half of them in disguise."""
    pairs = max(1, round(settings.people * 0.015))
    times = (start_ms, end_ms)
    return [crawl(settings.seed, number, *times) for number in range(pairs)] + [
        run_headless(settings.seed, number, *times) for number in range(pairs)
    ]


def carry(logs: list[Log], transport: Transport) -> list[Arrival]:
    """Carry the events of many lives, in the order of their instants, and some oversized lines."""
    events: list[tuple[int, Event]] = [event for log in logs for event in log.events]
    events.sort(key=lambda stamped: (stamped[0], stamped[1]["event_id"]))
    arrivals = transport.carry(events)
    for number in range(min(OVERSIZED_LINES, len(events))):
        arrivals.append(transport.oversize(*events[number * len(events) // OVERSIZED_LINES]))
    return sorted(arrivals, key=lambda arrival: arrival.at_ms)


def write_days(folder: Path, arrivals: list[Arrival], settings: Settings) -> list[dict[str, Any]]:
    """Write one file for what arrived on each day; a day is loaded when it is over."""
    files = []
    for day in range(settings.days):
        opens = settings.start + timedelta(days=day)
        closes = min(opens + timedelta(days=1), END)
        first_ms, last_ms = epoch_ms(opens), epoch_ms(closes) + (closes == END)
        lines = [arrival for arrival in arrivals if first_ms <= arrival.at_ms < last_ms]
        path = folder / f"events-{opens:%Y-%m-%d}.jsonl.gz"
        files.append(write_lines(path, "kairos", lines, closes))
    return files


def write_lines(
    path: Path, file_format: str, arrivals: list[Arrival], loaded_at: datetime
) -> dict[str, Any]:
    """Write lines as gzip without a time or a name inside, so that equal lines are equal bytes."""
    text = "".join(arrival.line + "\n" for arrival in arrivals).encode()
    path.write_bytes(gzip.compress(text, compresslevel=4, mtime=0))
    return describe(path, file_format, len(arrivals), loaded_at)


def write_users(folder: Path, people: Iterable[Person], seed: int) -> dict[str, Any]:
    """Write the team's own list of users, as exported at midnight: it lags behind the sign-ups.

    One person in ten is missing from it, and is known by identify calls alone.
    """
    exported = END.replace(hour=0, minute=0)
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(USER_COLUMNS)
    rows = 0
    for number, person in enumerate(people):
        is_signed_up = person.signed_up_ms is not None and person.signed_up_ms < epoch_ms(exported)
        if not is_signed_up or number % 10 == seed % 10:
            continue
        user: dict[str, Any] = {**traits(person, epoch_ms(exported)), "user_id": person.user_id}
        user["traits"] = json.dumps({"plan": user["plan"]}, separators=(",", ":"))
        user["consents"] = json.dumps(person.consents, separators=(",", ":"))
        writer.writerow(user[column] for column in USER_COLUMNS)
        rows += 1
    path = folder / "users.csv"
    path.write_text(buffer.getvalue())
    return describe(path, "users", rows, exported)


def describe(path: Path, file_format: str, rows: int, loaded_at: datetime) -> dict[str, Any]:
    """Say in the manifest what a file holds and when it is loaded."""
    return {
        "name": path.name,
        "format": file_format,
        "rows": rows,
        "loaded_at": loaded_at.isoformat(),
    }


def count_people(people: list[Person]) -> dict[str, int]:
    """Count the kinds of people that the line must tell apart."""
    signed_up = [person for person in people if person.signed_up_ms is not None]
    return {
        "signed_up": len(signed_up),
        "completed": sum(person.completed_ms is not None for person in signed_up),
        "without_consent": sum(not person.consents["in_app"] for person in signed_up),
        "keyboard_only": sum(person.is_keyboard_only for person in people),
        "on_two_devices": sum(len(person.devices) > 1 for person in people),
        "in_segment_format": sum(person.speaks_segment for person in people),
    }


def count_facts(logs: Iterable[Log]) -> dict[str, int]:
    """Count what people did, and how much of it happened within the last two hours."""
    fresh_ms = epoch_ms(END - timedelta(hours=2))
    counts: Counter[str] = Counter()
    for log in logs:
        counts.update(fact for fact, _ in log.facts)
        is_fresh = any(
            fact in ("session_pause", "cta_failure") and at_ms >= fresh_ms
            for fact, at_ms in log.facts
        )
        counts["people_with_fresh_moment"] += is_fresh
    return dict(sorted(counts.items()))


def epoch_ms(instant: datetime) -> int:
    """Give an instant as whole milliseconds since 1970-01-01 UTC."""
    return round(instant.timestamp() * 1000)


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--people", default=PEOPLE, show_default=True, help="How many people go through.")
@click.option("--days", default=DAYS, show_default=True, help=f"Days that end with {END:%F}.")
@click.option("--seed", default=SEED, show_default=True, help="The same seed, the same bytes.")
def main(folder: Path, people: int, days: int, seed: int) -> None:
    """Write the events of the demo, its users and its manifest into FOLDER."""
    manifest = generate(folder, Settings(people, days, seed))
    click.echo(json.dumps({key: manifest[key] for key in manifest if key != "files"}, indent=2))


if __name__ == "__main__":
    main()

"""Does the mapping in seeds/ name what models give, and what destinations take? Nobody is asked."""

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial

import duckdb

from kairos.doctor.check import Check, fail, ok, warn
from kairos.doctor.rows import ATTRIBUTES, AUDIENCES, SUBJECTS, TRIGGERS, Project, Row, Subject
from reverse_etl import destinations
from reverse_etl.destinations.base import Destination
from reverse_etl.model import Kind, Operation
from warehouse.connection import connect
from warehouse.errors import KairosError
from warehouse.home import Home

ATTRIBUTE = re.compile(r"'(\w+)'\s+as\s+attribute_name")
VERBS = {Kind.PROFILE: "update", Kind.AUDIENCE: "add", Kind.MOMENT: "send"}


def check_mapping(
    env: Mapping[str, str], home: Home, destination: str | None, project: Project
) -> Iterator[Check]:
    """Look at every row that is on, of one destination or of all."""
    of_subject: Mapping[Subject, Callable[[Sequence[Row]], Iterator[Check]]] = {
        ATTRIBUTES: partial(_attributes, home, project),
        AUDIENCES: partial(_audiences, project),
        TRIGGERS: partial(_triggers, project),
    }
    for subject in SUBJECTS:
        try:
            rows = project.mapped(subject, destination)
            found = [*_destinations(env, project, subject, rows), *of_subject[subject](rows)]
        except KairosError as error:
            found = [fail(subject.name, str(error))]
        yield from found
        if not found and rows:
            count = "1 row" if len(rows) == 1 else f"{len(rows)} rows"
            whose = f" for {destination}" if destination else ""
            yield ok(subject.name, f"seeds/{subject.seed}.csv: {count}{whose}, each can be sent")


def _destinations(
    env: Mapping[str, str], project: Project, subject: Subject, rows: Sequence[Row]
) -> Iterator[Check]:
    """Find rows whose destination does not exist, is off, or does not take such a thing."""
    known = destinations.names()
    switches = {
        row["destination"]: row.says("is_enabled")
        for row in project.rows("destinations", "destination", "is_enabled")
    }
    targets: dict[str, Destination] = {}
    for name in {row["destination"] for row in rows} & set(known):
        # what is not configured cannot say what it takes, and is sent nothing
        with suppress(KairosError):
            targets[name] = destinations.find(name).from_env(env)
    silent: set[str] = set()
    for row in rows:
        name = row["destination"]
        if name not in known:
            yield fail(
                subject.name,
                f"{row.place}: there is no destination {name!r}: choose one of {', '.join(known)}",
            )
        elif not switches.get(name) and name not in silent:
            silent.add(name)
            how = "switches it off" if name in switches else "has no row for it"
            yield warn(
                subject.name,
                f"{row.place}: nothing is sent to {name}, because seeds/destinations.csv {how}: "
                "change that, or take this row out",
            )
        if name in targets and (fault := targets[name].check(_sample(subject, row))):
            yield fail(subject.name, f"{row.place} ({row[subject.given]}): {fault}")


def _attributes(home: Home, project: Project, rows: Sequence[Row]) -> Iterator[Check]:
    known = set(ATTRIBUTE.findall(project.model("profile_values")))
    if any(row["attribute_name"] not in known for row in rows):
        known |= _built(home)
    personal = {
        row["field_name"]: row["personal_class"]
        for row in project.rows("personal_fields", "field_name", "personal_class")
    }
    for row in rows:
        if row["attribute_name"] not in known:
            yield _absent(
                ATTRIBUTES, row, "attribute", known, "models/deliveries/profile_values.sql"
            )
        if fault := _field_fault(row):
            yield fail("attributes", f"{row.place}: {fault}: choose another destination_field")
        yield from _in_clear_text(row, personal.get(row["attribute_name"]))
    yield from _twice(ATTRIBUTES, rows, "destination_field")


def _field_fault(row: Row) -> str | None:
    name, field = row["destination"], row["destination_field"]
    if name not in destinations.names():
        return None
    fault = destinations.find(name).field_names.fault(field)
    return fault and f"the field {field!r} of {name} {fault}"


def _in_clear_text(row: Row, personal_class: str | None) -> Iterator[Check]:
    name = row["attribute_name"]
    if personal_class is None or row.says("is_hashed") or name.endswith("_hash"):
        return
    # the build refuses contacts, too
    say = fail if personal_class == "contact" else warn
    yield say(
        "attributes",
        f"{row.place}: {name} is sent to {row['destination']} in clear text, and "
        f"seeds/personal_fields.csv calls it {personal_class}: set is_hashed",
    )


def _audiences(project: Project, rows: Sequence[Row]) -> Iterator[Check]:
    known = project.audiences()
    for row in rows:
        if row["audience_key"] not in known:
            yield _absent(
                AUDIENCES, row, "audience", known, "models/deliveries/audience_members.sql"
            )
    yield from _twice(AUDIENCES, rows, "audience_key")


def _triggers(project: Project, rows: Sequence[Row]) -> Iterator[Check]:
    known = {
        row["content_key"]
        for row in project.rows("content", "content_key", "segment", "arm")
        if row["segment"] == row["arm"] == "*"
    }
    for row in rows:
        if row["content_key"] not in known:
            yield _absent(
                TRIGGERS, row, "content", known, "seeds/content.csv for segment * and arm *"
            )


def _absent(subject: Subject, row: Row, what: str, known: Collection[str], where: str) -> Check:
    there = f"there are {', '.join(sorted(known))}" if known else "none was found"
    return fail(
        subject.name,
        f"{row.place}: there is no {what} {row[subject.given]!r} in {where} ({there}): "
        "correct the name, or add it there",
    )


def _twice(subject: Subject, rows: Sequence[Row], column: str) -> Iterator[Check]:
    """Find what two rows send to one place: the one would hide the other, or do its work again."""
    first: dict[tuple[str, str], Row] = {}
    for row in rows:
        earlier = first.setdefault((row["destination"], row[column]), row)
        if earlier is not row:
            line = earlier.place.rpartition(", ")[2]
            yield fail(
                subject.name,
                f"{row.place}: {line} gives {row['destination']} the {column} {row[column]!r} "
                "already: take one of them out, or call it something else",
            )


def _built(home: Home) -> set[str]:
    """Give the attributes that people have in the warehouse, for a model written another way."""
    try:
        with connect(home, read_only=True, patience_seconds=0) as connection:
            found = connection.execute("select distinct attribute_name from kairos.profile_values")
            return {name for (name,) in found.fetchall()}
    except (KairosError, duckdb.Error):
        return set()


def _sample(subject: Subject, row: Row) -> Operation:
    """Make the simplest operation that a row may send, to see whether its destination takes it."""
    now = datetime.now(UTC)
    is_moment = subject is TRIGGERS
    return Operation(
        operation_id="sample",
        idempotency_key="sample",
        destination=row["destination"],
        kind=subject.kind,
        operation=VERBS[subject.kind],
        object_key="profile" if subject is ATTRIBUTES else row[subject.given],
        user_key="sample",
        decision_id="sample" if is_moment else None,
        payload_text="{}",
        payload_hash="",
        scope_text=None,
        decided_at=now if is_moment else None,
        planned_at=now,
        expires_at=None,
        sequence_number=1,
    )

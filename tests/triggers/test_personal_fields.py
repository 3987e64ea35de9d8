"""What says who somebody is has a name in `personal_fields`, and is hidden or hashed by it."""

import hashlib
import json

import pytest

from reverse_etl.masking import mask_payload, mask_personal, personal_fields, redact
from tests.harness import Happening, Line
from warehouse.compiled import CompiledProject, create_histories

ADDRESS = "Ann.Nobody@Example.com"
HASH = hashlib.sha256(ADDRESS.strip().lower().encode()).hexdigest()
PERSON, BROWSER, PHONE = "person-7f3a", "browser-9c1e", "+49 30 1234567"
TRACES = (PERSON, BROWSER, ADDRESS, HASH, PHONE)
OUTPUTS = ("desired_profiles", "desired_moments", "desired_audiences", "events_rejected", "users")


@pytest.fixture(scope="module")
def line(project: CompiledProject) -> Line:
    """Somebody who is described, pauses, is given a help tip, and of whom a row is rejected."""
    line = Line(project, OUTPUTS)
    create_histories(line.connection, [project.models["trigger_decisions"]])
    traits = {"email": f" {ADDRESS} ", "phone": PHONE}
    events = [
        Happening(0, "identify", {"traits": traits}, actor=BROWSER, user_id=PERSON),
        *(
            Happening(at, "click", {"element_id": "a"}, actor=BROWSER, user_id=PERSON)
            for at in (1, 2, 3, 60, 61, 62)
        ),
        Happening(63, "page_view", {}, actor=BROWSER, user_id=PERSON),
        Happening(64, "", traits, event_id="bad", actor=BROWSER, user_id=PERSON),
    ]
    line.connection.execute("update kairos.profile_attributes set is_enabled = true")
    return line.run(events, 200)


def columns_with_traces(line: Line) -> dict[str, str]:
    """Every text column in which something of the person stands, and one table that has it."""
    found = {}
    for column in line.rows(
        "select table_schema, table_name, column_name from information_schema.columns "
        "where table_schema in ('kairos', 'raw') and data_type = 'VARCHAR'"
    ):
        schema, table, name = column.values()
        marks = " or ".join(f"""contains("{name}", '{trace}')""" for trace in TRACES)
        if line.rows(f"select 1 from {schema}.{table} where {marks} limit 1"):
            found[name] = table
    return found


def test_no_column_holds_a_person_unclassified(line: Line) -> None:
    found = columns_with_traces(line)

    assert {"user_key", "actor_id", "email_hash", "traits", "payload"} <= set(found)
    assert {name: table for name, table in found.items() if name not in personal_fields()} == {}


def test_an_address_and_its_hash_are_one(line: Line) -> None:
    [person] = line.rows("select user_key, email_hash from kairos.users")

    assert person == {"user_key": PERSON, "email_hash": HASH}


def test_a_hashed_attribute_leaves_as_the_hash_of_what_it_normally_is(line: Line) -> None:
    line.connection.execute("update kairos.profile_attributes set is_hashed = true")
    [profile] = line.rows("select payload from kairos.desired_profiles")
    line.connection.execute("update kairos.profile_attributes set is_hashed = false")
    [plain] = line.rows("select payload from kairos.desired_profiles")

    plain, hashed = json.loads(plain["payload"]), json.loads(profile["payload"])
    assert plain.keys() == hashed.keys() and plain["kairos_email_sha256"] == HASH
    for name, value in plain.items():
        assert hashed[name] == hashlib.sha256(str(value).lower().encode()).hexdigest()


def test_what_is_shown_is_masked_by_name() -> None:
    shown = mask_payload({"band": "high", "email": ADDRESS, "list": [{"user_key": PERSON}]})
    assert shown == {"band": "high", "email": "A***m", "list": [{"user_key": "p***a"}]}
    operands = {"user_key": PERSON, "used": 2, "traits": {"phone": PHONE}}
    assert mask_personal(operands) == {
        "user_key": "p***a",
        "used": 2,
        "traits": {"phone": "+***7"},
    }


def test_a_foreign_message_keeps_neither_address_nor_number() -> None:
    text = redact(f"{PERSON} with {ADDRESS} and {PHONE} at +1-202-555-0100: 422", (), [PERSON])
    assert text == "p***a with *** and *** at ***: 422"

"""Destinations are asked, over HTTP, whether they know what the mapping names."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from kairos.doctor.asking import ask_about_mapping
from kairos.doctor.rows import Project
from reverse_etl import destinations
from reverse_etl.sandbox import Sandbox
from reverse_etl.sandbox.vendors import VENDORS

ATTRIBUTES = "attribute_name,destination,destination_field,is_hashed,is_enabled\n"
AUDIENCES = "audience_key,destination,is_enabled\n"


@dataclass(frozen=True)
class Case:
    """How one destination has what is mapped, and how it lacks it."""

    name: str
    mapped: str
    """The setting that maps our audience keys."""
    there: str
    gone: str
    what: str
    """What it says of `gone`."""
    status: str = "fail"
    fields: str | None = None
    """What becomes of a field that it does not know; None where it is not asked."""


CASES = [
    Case("appcues", "SEGMENTS", "seg-1", "missing-1", "has no segment 'missing-1'"),
    Case("pendo", "SEGMENTS", "seg-1", "missing-1", "has no segment 'missing-1'", fields="fail"),
    Case("iterable", "LISTS", "1", "7", "has no list 7", fields="warn"),
    Case("launchdarkly", "SEGMENTS", "seg-1", "missing-1", "has no segment 'missing-1'"),
    Case("split", "SEGMENTS", "seg-1", "missing-1", "has no segment 'missing-1' in this"),
    Case("customerio", "SEGMENTS", "4", "missing", "has no segment missing"),
    Case("intercom", "TAGS", "tag-1", "missing-1", "has no tag 'missing-1'", fields="fail"),
    Case("amplitude", "COHORTS", "c1", "c2", "lists no cohort 'c2'", status="warn"),
]
WITH_FIELDS = [case for case in CASES if case.fields]


def by_name(case: Case) -> str:
    return case.name


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running: Sandbox) -> Sandbox:
    """All of them have the audience `people` and the field `band`."""
    running.reset()
    running.vendor("iterable").lists[1] = "people"  # type: ignore[attr-defined]
    running.witness("amplitude").add("c1", "ann")
    for case in WITH_FIELDS:
        running.witness(case.name).update("ann", {"band": "high"})
    return running


Ask = Callable[..., list[tuple[str, str, str]]]


@pytest.fixture
def ask(sandbox: Sandbox, tmp_path: Path) -> Ask:
    def ask(case: Case, *fields: str, audiences: dict[str, str], **more: str):
        seeds = tmp_path / "seeds"
        seeds.mkdir(exist_ok=True)
        rows = [f"{key},{case.name},true\n" for key in audiences]
        (seeds / "audiences.csv").write_text(AUDIENCES + "".join(rows))
        rows = [f"any,{case.name},{field},false,true\n" for field in fields]
        (seeds / "profile_attributes.csv").write_text(ATTRIBUTES + "".join(rows))
        names = ",".join(f"{ours}={theirs}" for ours, theirs in audiences.items())
        settings = {f"KAIROS_{case.name}_{case.mapped}".upper(): names}
        env = {**sandbox.environment(case.name), **settings, **more}
        found = ask_about_mapping(case.name, env, Project(tmp_path))
        return [(check.name, check.status.value, check.message) for check in found]

    return ask


@pytest.mark.parametrize("case", CASES, ids=by_name)
def test_what_is_there_is_known_and_asking_changes_nothing(
    case: Case, ask: Ask, sandbox: Sandbox
) -> None:
    before = sandbox.witness(case.name).dump()
    fields = ["band"] if case.fields else []
    found = ask(case, *fields, audiences={"people": case.there})
    expected = [("attributes", "ok", f"{case.name} knows band")] if fields else []
    assert found == [*expected, ("audiences", "ok", f"{case.name} knows people")]
    assert {entry.method for entry in sandbox.requests(case.name)} == {"GET"}
    assert sandbox.witness(case.name).dump() == before


@pytest.mark.parametrize("case", CASES, ids=by_name)
def test_an_audience_that_is_not_there_is_named_with_line_and_remedy(case: Case, ask: Ask) -> None:
    [(subject, status, message)] = ask(case, audiences={"people": case.there, "lost": case.gone})
    assert (subject, status) == ("audiences", case.status)
    assert message.startswith(f"seeds/audiences.csv, line 3 (lost): {case.name} {case.what}")
    assert f"KAIROS_{case.name.upper()}_{case.mapped}=lost=" in message


@pytest.mark.parametrize("case", WITH_FIELDS, ids=by_name)
def test_a_field_that_is_not_there_is_named_with_its_line(case: Case, ask: Ask) -> None:
    [(subject, status, message), _] = ask(case, "band", "hat", audiences={"people": case.there})
    assert (subject, status) == ("attributes", case.fields)
    start = f"seeds/profile_attributes.csv, line 3 (hat): {case.name} has no "
    assert message.startswith(start)
    assert "'hat'" in message


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        ({"kind": "5xx", "status": 403}, "status 403: give our key the right to read that"),
        ({"kind": "5xx", "status": 401}, "status 401: give our key the right to read that"),
        ({"kind": "5xx", "status": 500}, "status 500: try later, or look there yourself"),
        ({"kind": "429"}, "status 429: try later, or look there yourself"),
        ({"kind": "malformed"}, "its answer cannot be understood"),
        ({"kind": "reset"}, "closed the connection without an answer: try later"),
    ],
    ids=lambda value: str(value.get("status", value["kind"])) if isinstance(value, dict) else "",
)
@pytest.mark.parametrize("case", CASES, ids=by_name)
def test_what_cannot_be_asked_is_a_warning_and_no_failure(
    case: Case, fault: dict[str, object], why: str, ask: Ask, sandbox: Sandbox
) -> None:
    fields = ["band"] if case.fields else []
    sandbox.fault(destination=case.name, times=None, **fault)
    found = ask(case, *fields, audiences={"people": case.there})
    assert [status for _, status, _ in found] == ["warn"] * (1 + len(fields))
    subject, _, message = found[-1]
    assert subject == "audiences"
    assert message.startswith(f"{case.name} could not be asked whether it knows people: ")
    assert message.endswith(why)


@pytest.mark.parametrize("name", [vendor.name for vendor in VENDORS])
def test_nobody_is_asked_about_nothing(name: str, ask: Ask, sandbox: Sandbox) -> None:
    assert ask(Case(name, "NOTHING", "", "", ""), audiences={}) == []
    assert sandbox.requests(name) == []


@pytest.mark.parametrize("name", ["braze", "mixpanel", "segment", "webhook"])
def test_who_has_no_request_for_it_is_not_asked(name: str, ask: Ask, sandbox: Sandbox) -> None:
    assert ask(Case(name, "NOTHING", "", "", ""), "band", audiences={"people": "x"}) == []
    assert sandbox.requests(name) == []


def test_a_seed_that_cannot_be_read_is_left_to_the_check_of_it(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    env = sandbox.environment("appcues")
    assert list(ask_about_mapping("appcues", env, Project(tmp_path))) == []


def test_launchdarkly_says_which_segments_are_big(ask: Ask) -> None:
    [case] = [case for case in CASES if case.name == "launchdarkly"]
    both = {"small": "seg-1", "large": "big-1"}
    [(_, status, message)] = ask(case, audiences=both)
    assert status == "fail"
    assert message == (
        "seeds/audiences.csv, line 3 (large): launchdarkly says that 'big-1' is a big segment: "
        "add it to KAIROS_LAUNCHDARKLY_BIG_SEGMENTS"
    )
    [(_, _, message)] = ask(case, audiences=both, KAIROS_LAUNCHDARKLY_BIG_SEGMENTS="big-1,seg-1")
    assert "line 2 (small): launchdarkly says that 'seg-1' is no big segment: take it" in message


def test_customerio_wants_manual_segments_and_a_key_of_its_own_to_ask(
    ask: Ask, sandbox: Sandbox
) -> None:
    [case] = [case for case in CASES if case.name == "customerio"]
    [(_, status, message)] = ask(case, audiences={"people": "dynamic-1"})
    assert status == "fail"
    assert message.endswith(
        "customerio fills segment dynamic-1 by itself (dynamic): name a manual one"
    )
    sandbox.journal.clear()
    assert ask(case, audiences={"people": "4"}, KAIROS_CUSTOMERIO_APP_API_KEY="") == []
    assert sandbox.requests("customerio") == []
    [(_, status, message)] = ask(
        case, audiences={"people": "4"}, KAIROS_CUSTOMERIO_APP_API_KEY="wrong"
    )
    assert status == "warn" and "status 401" in message


def test_intercom_has_to_let_us_write_an_attribute(
    sandbox: Sandbox,
) -> None:
    listed = [
        {"name": "old", "custom": True, "archived": True},
        {"name": "computed", "custom": True, "api_writable": False},
        {"name": "country", "custom": False, "api_writable": True},
        {"name": "band", "custom": True, "api_writable": True},
    ]
    destination = destinations.find("intercom").from_env(sandbox.environment("intercom"))
    [lookup] = destination.lookups([], ["band", "old", "computed", "country", "email"])
    faults = lookup.faults({"type": "list", "data": listed})
    assert set(lookup.names) - set(faults) == {"band"}
    assert "email" not in lookup.names, "it is no attribute but a field of the contact"
    assert faults["old"].startswith("does not let us write")
    assert faults["computed"].startswith("does not let us write")
    assert faults["country"].startswith("has no attribute 'country'")

"""The mapping in seeds/, against the models and what destinations take; every fault has a line."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from kairos.doctor.mapping import check_mapping
from kairos.doctor.rows import Project
from reverse_etl.sandbox.vendors.split import Split
from warehouse.connection import connect
from warehouse.home import PROJECT, Home

SEEDS = (
    "audiences",
    "content",
    "destinations",
    "personal_fields",
    "profile_attributes",
    "triggers",
)
MODELS = ("audience_members", "profile_values")


class Desk:
    """A copy of the shipped mapping that a test writes on."""

    def __init__(self, root: Path) -> None:
        self.project = Project(root / "project")
        self.home = Home.from_env({"KAIROS_HOME": str(root / "home")})
        self.env: dict[str, str] = {}
        for name in (
            *(f"seeds/{seed}.csv" for seed in SEEDS),
            *(f"models/deliveries/{model}.sql" for model in MODELS),
        ):
            target = self.project.root / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(PROJECT / name, target)

    def write(self, seed: str, *rows: str) -> None:
        """Replace the rows of a seed, below its header."""
        path = self.project.root / "seeds" / f"{seed}.csv"
        header = path.read_text().splitlines()[0]
        path.write_text("\n".join([header, *rows]) + "\n")

    def check(self, destination: str | None = None) -> list[tuple[str, str, str]]:
        found = check_mapping(self.env, self.home, destination, self.project)
        return [(check.name, check.status.value, check.message) for check in found]

    def faults(self, destination: str | None = None) -> list[tuple[str, str, str]]:
        return [check for check in self.check(destination) if check[1] != "ok"]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_the_shipped_mapping_is_right(desk: Desk) -> None:
    assert [(name, status) for name, status, _ in desk.check()] == [
        ("attributes", "ok"),
        ("audiences", "ok"),
        ("triggers", "ok"),
    ]


def test_one_destination_has_its_own_rows_alone(desk: Desk) -> None:
    desk.write("audiences", "needs_help,appcues,true", "nonesuch,webhook,true")
    desk.write("profile_attributes", "intent_band,appcues,band,false,true")
    assert ("audiences", "ok", "seeds/audiences.csv: 1 row for appcues, each can be sent") in (
        desk.check("appcues")
    )
    assert [name for name, _, _ in desk.faults("webhook")] == ["audiences"]
    assert "attributes" not in [name for name, _, _ in desk.check("webhook")]


@pytest.mark.parametrize(
    ("seed", "rows", "expected"),
    [
        pytest.param(
            "profile_attributes",
            ["intent_band,appcues,band,false,true", "intent_bnad,appcues,x,false,true"],
            r"seeds/profile_attributes.csv, line 3: there is no attribute 'intent_bnad' in "
            "models/deliveries/profile_values.sql (there are email_hash, failed_cta_count, "
            "intent_band, onboarding_completed_at): correct the name, or add it there",
            id="unknown attribute",
        ),
        pytest.param(
            "profile_attributes",
            ["intent_band,appcues,x,false,true", "failed_cta_count,appcues,x,false,true"],
            "seeds/profile_attributes.csv, line 3: line 2 gives appcues the destination_field 'x' "
            "already: take one of them out, or call it something else",
            id="one field twice",
        ),
        pytest.param(
            "profile_attributes",
            ["intent_band,apcues,x,false,true"],
            "seeds/profile_attributes.csv, line 2: there is no destination 'apcues': choose one "
            "of amplitude, appcues,",
            id="unknown destination",
        ),
        pytest.param(
            "profile_attributes",
            ["intent_band,appcues, ,false,true"],
            "seeds/profile_attributes.csv, line 2: the field '' of appcues is empty",
            id="no field",
        ),
        pytest.param(
            "audiences",
            ["needs_help,appcues,true", "need_help,appcues,true"],
            "seeds/audiences.csv, line 3: there is no audience 'need_help' in "
            "models/deliveries/audience_members.sql (there are needs_help, onboarding_completed): "
            "correct the name, or add it there",
            id="unknown audience",
        ),
        pytest.param(
            "audiences",
            ["needs_help,appcues,true", "needs_help,appcues,true"],
            "seeds/audiences.csv, line 3: line 2 gives appcues the audience_key 'needs_help' "
            "already: take one of them out, or call it something else",
            id="one audience twice",
        ),
        pytest.param(
            "content",
            ['pause_help_tip,business,*,"{}"'],
            "seeds/triggers.csv, line 2: there is no content 'pause_help_tip' in "
            "seeds/content.csv for segment * and arm * (none was found): correct the name",
            id="content without a fallback",
        ),
    ],
)
def test_a_row_that_names_nothing_is_found_with_its_line(
    desk: Desk, seed: str, rows: list[str], expected: str
) -> None:
    desk.write(seed, *rows)
    name, status, message = desk.faults()[0]
    assert status == "fail"
    assert message.startswith(expected)
    assert name in ("attributes", "audiences", "triggers")


def test_a_row_that_is_off_is_not_looked_at(desk: Desk) -> None:
    desk.write("profile_attributes", "nonesuch,nowhere,,false,false")
    desk.write("audiences", "nonesuch,nowhere,false")
    assert desk.faults() == []


def test_one_field_and_one_audience_at_two_destinations_are_fine(desk: Desk) -> None:
    rows = [f"intent_band,{name},band,false,true" for name in ("appcues", "webhook")]
    desk.write("profile_attributes", *rows)
    desk.write("audiences", *(f"needs_help,{name},true" for name in ("appcues", "webhook")))
    assert desk.faults() == []


def test_an_attribute_that_the_warehouse_gives_is_one_however_its_model_is_written(
    desk: Desk,
) -> None:
    desk.write("profile_attributes", "favourite,appcues,x,false,true")
    assert len(desk.faults()) == 1
    with connect(desk.home.ensure()) as connection:
        connection.execute("create schema kairos")
        connection.execute(
            "create view kairos.profile_values as select 'ann' as user_key, "
            "'favourite' as attribute_name, '1' as attribute_value"
        )
    assert desk.faults() == []


@pytest.mark.parametrize(
    ("row", "personal_class", "status"),
    [
        ("email,appcues,x,false,true", "contact", "fail"),
        ("email,appcues,x,true,true", "contact", None),
        ("user_agent,appcues,x,false,true", "trace", "warn"),
        ("external_id,appcues,x,false,true", "identifier", "warn"),
        ("email_hash,appcues,x,false,true", "trace", None),
    ],
)
def test_what_says_who_somebody_is_does_not_leave_in_clear_text_unnoticed(
    desk: Desk, row: str, personal_class: str, status: str | None
) -> None:
    name = row.partition(",")[0]
    model = desk.project.root / "models" / "deliveries" / "profile_values.sql"
    model.write_text(f"select '{name}' as attribute_name")
    desk.write("profile_attributes", row)
    if status is None:
        assert desk.faults() == []
    else:
        message = (
            f"seeds/profile_attributes.csv, line 2: {name} is sent to appcues in clear text, and "
            f"seeds/personal_fields.csv calls it {personal_class}: set is_hashed"
        )
        assert desk.faults() == [("attributes", status, message)]


@pytest.mark.parametrize(
    ("destination", "field", "fault"),
    [
        ("intercom", "b" * 190, None),
        ("intercom", "b" * 191, "has more than 190 bytes"),
        ("intercom", "plan.name", "must not have ."),
        ("customerio", "ä" * 75, None),
        ("customerio", "ä" * 76, "has more than 150 bytes"),
        ("braze", "external_id", "means something else there"),
        ("braze", "plan.name", None),
        ("appcues", "tab\there", "has spaces around it or signs that nobody sees"),
    ],
)
def test_a_field_is_one_that_the_vendor_takes(
    desk: Desk, destination: str, field: str, fault: str | None
) -> None:
    desk.write("destinations", f"{destination},skip,true", "appcues,skip,true", "webhook,skip,true")
    desk.write("profile_attributes", f"intent_band,{destination},{field},false,true")
    found = [message for _, _, message in desk.faults()]
    if fault is None:
        assert found == []
    else:
        [message] = found
        assert message.startswith("seeds/profile_attributes.csv, line 2: the field ")
        assert f"of {destination} " in message
        assert fault in message
        assert message.endswith("choose another destination_field")


def test_a_destination_that_is_off_is_said_once_for_each_seed(desk: Desk) -> None:
    desk.write("destinations", "appcues,skip,false")
    found = [(name, status, message) for name, status, message in desk.faults()]
    assert [(name, status) for name, status, _ in found] == [
        ("attributes", "warn"),
        ("audiences", "warn"),
        ("triggers", "warn"),
        ("triggers", "warn"),
    ]
    assert (
        "nothing is sent to appcues, because seeds/destinations.csv switches it off" in found[0][2]
    )
    assert "nothing is sent to webhook, because seeds/destinations.csv has no row" in found[3][2]


def test_what_a_configured_destination_cannot_be_sent_is_found(desk: Desk) -> None:
    desk.write(
        "destinations", *(f"{n},skip,true" for n in ("split", "iterable", "webhook", "appcues"))
    )
    desk.write("profile_attributes", "intent_band,split,band,false,true")
    desk.write("audiences", "needs_help,iterable,true")
    trigger = desk.project.rows("triggers", "trigger_name")[0].values["trigger_name"]
    path = desk.project.root / "seeds" / "triggers.csv"
    path.write_text(path.read_text().replace("appcues", "split", 1))
    assert desk.faults() == [], "nothing is known of what is not configured"
    split = Split(None).environment("http://127.0.0.1:9")  # type: ignore[arg-type]
    desk.env = {**split, "KAIROS_SPLIT_SDK_KEY": "", "KAIROS_ITERABLE_API_KEY": "key"}
    assert desk.faults() == [
        (
            "attributes",
            "fail",
            "seeds/profile_attributes.csv, line 2 (intent_band): "
            "split takes no operation of kind profile",
        ),
        (
            "audiences",
            "fail",
            "seeds/audiences.csv, line 2 (needs_help): "
            "the audience needs_help has no list: set KAIROS_ITERABLE_LISTS",
        ),
        (
            "triggers",
            "fail",
            f"seeds/triggers.csv, line 2 ({trigger}): a moment needs KAIROS_SPLIT_SDK_KEY",
        ),
    ]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(b"\xff\xfe\x00"),
        lambda path: path.write_text("audience_key,is_enabled\nneeds_help,true\n"),
    ],
)
def test_a_seed_that_cannot_be_read_is_named_and_the_others_are_still_looked_at(
    desk: Desk, spoil: Callable[[Path], None]
) -> None:
    spoil(desk.project.root / "seeds" / "audiences.csv")
    found = desk.check()
    assert [(name, status) for name, status, _ in found] == [
        ("attributes", "ok"),
        ("audiences", "fail"),
        ("triggers", "ok"),
    ]
    assert found[1][2].startswith("seeds/audiences.csv ")

"""The dbt project builds on an empty warehouse, and every unit test beside its models holds."""

from pathlib import Path

import pytest

from warehouse.connection import connect
from warehouse.home import Home
from warehouse.transform import Transformation, build


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Home:
    return Home.from_env({"KAIROS_HOME": str(tmp_path_factory.mktemp("home"))}).ensure()


@pytest.fixture(scope="module")
def built(home: Home) -> Transformation:
    return build(home)


def test_every_model_builds_and_every_dbt_test_passes_on_an_empty_warehouse(built):
    assert not built.failed
    assert built.count("unit_test", "pass") > 50


@pytest.mark.parametrize(
    ("test", "change", "fault"),
    [
        (
            "assert_content_has_its_fields",
            "update kairos.content set payload = '[]' where content_key = 'cta_micro_video'",
            "the payload is no JSON object",
        ),
        (
            "assert_content_has_its_fields",
            'update kairos.content set payload = \'{"title": "Hello", "body": ""}\' '
            "where content_key = 'cta_micro_video'",
            "missing, empty or of another type: body",
        ),
        (
            "assert_content_has_its_fields",
            'update kairos.content set payload = \'{"title": "A", "body": "B", "flow": "C"}\' '
            "where content_key = 'cta_micro_video'",
            "not in content_fields.csv: flow",
        ),
        (
            "assert_arms_of_thresholds_and_caps_exist",
            "update kairos.fatigue_caps set experiment = 'x', arm = 'y' "
            "where cap_name = 'two_per_session'",
            "there is no such arm in experiment_arms.csv",
        ),
        (
            "assert_arms_of_thresholds_and_caps_exist",
            "update kairos.signal_thresholds set experiment = 'pause_help_tip_control', "
            "arm = 'treatment' where signal_name = 'session_pause'",
            "its experiment must have the unit user",
        ),
        (
            "assert_mappings_name_what_exists",
            "update kairos.audiences set audience_key = 'need_help' "
            "where audience_key = 'needs_help'",
            "not listed in models/deliveries/audience_members.sql",
        ),
        (
            "assert_mappings_name_what_exists",
            "insert into kairos.audiences values ('needs_help', 'appcues', true)",
            "twice to appcues",
        ),
        (
            "assert_mappings_name_what_exists",
            "update kairos.profile_attributes set destination_field = 'kairos_intent_band' "
            "where attribute_name = 'failed_cta_count'",
            "twice to appcues",
        ),
    ],
)
def test_what_people_write_into_seeds_is_checked(home, built, test, change, fault):
    [node] = [node for node in built.nodes if node.name == test]
    query = Path(node.compiled_path).read_text()
    with connect(home) as connection:
        assert connection.execute(query).fetchall() == []
        connection.execute("begin")
        connection.execute(change)
        found = connection.execute(query)
        columns = [column[0] for column in found.description]
        [row] = found.fetchall()
        connection.execute("rollback")
    assert dict(zip(columns, row, strict=True))["fault"] == fault

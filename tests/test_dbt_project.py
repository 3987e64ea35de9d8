"""The dbt project builds on an empty warehouse, and every unit test beside its models holds."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from reverse_etl.model import State
from warehouse.connection import connect
from warehouse.home import Home
from warehouse.transform import Transformation, TransformationFailed, build


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


def runs(*rows: tuple[str, str, float, float]) -> str:
    """SQL that adds runs by destination and status, that began and ended so many hours ago."""
    return "insert into kairos.sync_runs by name " + " union all ".join(
        f"select 'run-{number}' as run_id, '{destination}' as destination, '{status}' as status, "
        f"(now() at time zone 'UTC') - interval '{60 * began:.0f} minutes' as started_at, "
        f"(now() at time zone 'UTC') - interval '{60 * ended:.0f} minutes' as finished_at, "
        f"{', '.join(f'0 as {state}_count' for state in State)}, 0 as request_count"
        for number, (destination, status, began, ended) in enumerate(rows)
    )


@pytest.mark.parametrize(
    ("made", "silent"),
    [
        ([], []),
        ([("appcues", "done", 23.5, 23.5)], []),
        ([("appcues", "done", 25, 24.5)], ["appcues"]),
        ([("appcues", "done", 30, 29), ("webhook", "done", 2, 1)], ["appcues"]),
        # trying is not doing
        ([("appcues", "done", 30, 29), ("appcues", "incomplete", 2, 1)], ["appcues"]),
        ([("appcues", "failed", 25, 25), ("appcues", "abandoned", 2, 1)], ["appcues"]),
        ([("appcues", "failed", 3, 3)], []),
        # switched off, or unknown
        ([("kafka", "done", 90, 90)], []),
    ],
)
def test_a_destination_that_was_not_synced_for_a_day_is_warned_about(home, built, made, silent):
    [node] = [node for node in built.nodes if node.name == "assert_destinations_are_synced"]
    query = Path(node.compiled_path).read_text()
    with connect(home) as connection:
        connection.execute("begin")
        if made:
            connection.execute(runs(*made))
        found = [destination for destination, *_ in connection.execute(query).fetchall()]
        connection.execute("rollback")
    assert found == silent


OF_AN_EARLIER_VERSION = """
drop view kairos.sync_operations;
drop table kairos.stg_ledger__sync_operations;
create view kairos.stg_ledger__sync_operations as select 'of then' as operation_id;
create table kairos.sync_operations as select 'of then' as operation_id;
alter table kairos.sync_state drop column loaded_at;
comment on table kairos.sync_state is null;
insert into kairos.sync_state (destination, kind, object_key, user_key, is_present)
values ('webhook', 'audience', 'a', 'of then', true)
"""


def test_what_follows_the_ledger_is_taken_over_from_an_earlier_version_and_goes_on(home, built):
    names = ["stg_ledger__sync_operations", "sync_operations", "sync_state"]
    now = datetime.now(UTC) + timedelta(hours=1)

    def follow(state: str, sequence: int, at: datetime) -> list[tuple]:
        with connect(home) as connection:
            connection.execute(
                "insert into raw.sync_operations by name select 'o' as operation_id, "
                "'k' as idempotency_key, 'webhook' as destination, 'audience' as kind, "
                "'add' as operation, 'a' as object_key, 'ann' as user_key, $state as state, "
                "$sequence as sequence, $at as loaded_at",
                {"state": state, "sequence": sequence, "at": at.replace(tzinfo=None)},
            )
        build(home, at, select=names)
        with connect(home) as connection:
            return connection.execute(
                "select operations.state, operations.ledger_sequence, known.acknowledged_count "
                "from kairos.sync_operations as operations "
                "full outer join kairos.sync_state as known using (user_key)"
            ).fetchall()

    with connect(home) as connection:
        connection.execute(OF_AN_EARLIER_VERSION)
    assert follow("planned", 1, now) == [("planned", 1, None)]
    assert follow("accepted", 2, now + timedelta(hours=1)) == [("accepted", 2, 1)]
    # what these tables hold cannot be taken out of them again
    with pytest.raises(TransformationFailed, match="lies before a run that read what the ledger"):
        build(home, now + timedelta(minutes=30), select=names)

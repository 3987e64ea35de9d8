"""`kairos new trigger` leaves a project in which file, row, list and content are in step."""

import csv
import shutil

import pytest

from kairos.commands.new import scaffold
from warehouse.errors import KairosError
from warehouse.home import PROJECT


@pytest.fixture
def copy(tmp_path):
    for folder in ("models/triggers", "seeds"):
        shutil.copytree(PROJECT / folder, tmp_path / folder)
    return tmp_path


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_new_trigger_is_everywhere_and_switched_off(copy):
    scaffold(copy, "my_tip")
    settings = {row["trigger_name"]: row for row in rows(copy / "seeds/triggers.csv")}
    assert settings["my_tip"]["is_enabled"] == "false"
    fallbacks = [row for row in rows(copy / "seeds/content.csv") if row["content_key"] == "my_tip"]
    assert [(row["segment"], row["arm"]) for row in fallbacks] == [("*", "*")]
    union = (copy / "models/triggers/trigger_moments.sql").read_text()
    assert "ref('invite_team_nudge'),\n    ref('my_tip'),\n    ref('onboarding_" in union
    assert (copy / "models/triggers/rules/my_tip.sql").exists()


def test_every_rule_has_a_row_and_every_row_a_rule(copy):
    rules = {path.stem for path in (copy / "models/triggers/rules").glob("*.sql")}
    assert rules == {row["trigger_name"] for row in rows(copy / "seeds/triggers.csv")}


@pytest.mark.parametrize("name", ["My Tip", "1st", "", "tip;drop"])
def test_a_name_that_no_model_can_have_is_refused(copy, name):
    with pytest.raises(KairosError, match="no name of a trigger"):
        scaffold(copy, name)


def test_a_name_that_is_taken_is_refused_and_nothing_is_written(copy):
    before = (copy / "seeds/triggers.csv").read_text()
    with pytest.raises(KairosError, match="taken"):
        scaffold(copy, "pause_help_tip")
    assert (copy / "seeds/triggers.csv").read_text() == before

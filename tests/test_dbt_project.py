"""The dbt project builds on an empty warehouse, and every unit test beside its models holds."""

from warehouse.home import Home
from warehouse.transform import build


def test_every_model_builds_and_every_dbt_test_passes_on_an_empty_warehouse(tmp_path):
    home = Home.from_env({"KAIROS_HOME": str(tmp_path)}).ensure()

    done = build(home)

    assert not done.failed
    assert done.count("unit_test", "pass") > 50

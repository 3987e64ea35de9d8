"""Tables and views are replaced in one transaction, and a view is made anew only for a reason."""

import shutil

import pytest

from warehouse import transform
from warehouse.home import PROJECT
from warehouse.transform import TransformationFailed, build

PROFILE = """
kairos:
  target: duckdb
  outputs:
    duckdb: {type: duckdb, path: "{{ env_var('KAIROS_WAREHOUSE') }}", schema: kairos}
"""


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Write a model of a small project that has Kairos' own materializations."""
    folder = tmp_path / "project"
    for name in ("models", "macros"):
        (folder / name).mkdir(parents=True)
    for name in ("line.sql", "materializations.sql"):
        shutil.copy(PROJECT / "macros" / name, folder / "macros")
    (folder / "profiles.yml").write_text(PROFILE)
    (folder / "dbt_project.yml").write_text(
        "name: small\nprofile: kairos\nvars: {is_state_looked_up: false}\n"
        "flags: {send_anonymous_usage_stats: false}\n"
    )
    monkeypatch.setattr(transform, "PROJECT", folder)

    def write(name, sql, kind="table"):
        text = f"{{{{ config(materialized='{kind}') }}}}\n{sql}"
        (folder / "models" / f"{name}.sql").write_text(text)

    return write


def test_a_view_stays_until_a_model_changes(home, rows, write):
    def is_kept(**options):
        [view] = [node for node in build(home, **options).nodes if node.name == "seen"]
        return view.message == "KEPT"

    write("base", "select 1 as one")
    write("seen", "select * from {{ ref('base') }}", "view")
    assert not is_kept()
    assert is_kept()

    write("base", "select 1 as one, 'b' as two")
    assert not is_kept()
    assert rows("from kairos.seen") == [(1, "b")]

    assert not is_kept(full_refresh=True)
    assert is_kept()


def test_a_table_may_read_itself_as_it_was(home, rows, write):
    write("counted", "select 1 as number_of_runs")
    build(home)
    write("counted", "select number_of_runs + 1 as number_of_runs from {{ this }}")
    build(home)
    build(home)
    assert rows("from kairos.counted") == [(3,)]


@pytest.mark.parametrize("kinds", [("table", "view", "table"), ("view", "table", "view")])
def test_a_table_may_become_a_view_and_a_view_a_table(home, rows, write, kinds):
    for number, kind in enumerate(kinds):
        write("thing", f"select {number} as number", kind)
        build(home)
        assert rows("from kairos.thing") == [(number,)]
        assert rows(
            "select table_type from information_schema.tables where table_name = 'thing'"
        ) == [("VIEW" if kind == "view" else "BASE TABLE",)]


def test_a_table_that_cannot_be_built_leaves_the_one_before(home, rows, write):
    write("thing", "select 1 as number")
    build(home)
    write("thing", "select error('no') as number")
    with pytest.raises(TransformationFailed, match="no"):
        build(home)
    assert rows("from kairos.thing") == [(1,)]

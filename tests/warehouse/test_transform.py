import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from dbt.cli.main import dbtRunner

from warehouse import transform
from warehouse.connection import connect
from warehouse.transform import TransformationFailed, build, dbt

PROFILE = """
kairos:
  target: duckdb
  outputs:
    duckdb: {type: duckdb, path: "{{ env_var('KAIROS_WAREHOUSE') }}", schema: kairos}
"""


NOW = "select '{{ var(\"as_of\") }}' as as_of, (select count(*) from raw.events) as event_count"


@pytest.fixture(scope="module")
def small_project(tmp_path_factory):
    # one for the module: dbt parses what it brings along only once
    folder = tmp_path_factory.mktemp("project")
    (folder / "models").mkdir()
    (folder / "models" / "now.sql").write_text(NOW)
    (folder / "profiles.yml").write_text(PROFILE)
    (folder / "dbt_project.yml").write_text(
        "name: small\nprofile: kairos\nvars: {as_of: ''}\n"
        "flags: {send_anonymous_usage_stats: false}\n"
    )
    return folder


@pytest.fixture
def project(small_project, monkeypatch):
    """A dbt project of one model, to which a test adds others by name and SQL."""
    monkeypatch.setattr(transform, "PROJECT", small_project)
    added = []

    def add(name, text):
        path = small_project / "models" / name
        path.write_text(text)
        added.append(path)

    yield add
    for path in added:
        path.unlink()


def test_an_empty_warehouse_builds_and_as_of_reaches_the_models(home, project):
    seen = []
    as_of = datetime(2026, 1, 31, 12, 0, 0, 5, tzinfo=UTC)
    done = build(home, as_of=as_of, on_node=lambda *progress: seen.append(progress))
    assert [(node.name, node.status) for node in done.nodes] == [("now", "success")]
    assert seen == [(1, 1, "now")]
    with connect(home) as connection:
        found = connection.execute("from kairos.now").fetchall()
    assert found == [("2026-01-31 12:00:00.000005", 0)]


def test_afterwards_another_process_can_open_the_warehouse(home, project):
    build(home)
    script = f"import duckdb; duckdb.connect({str(home.warehouse)!r}).execute('from kairos.now')"
    subprocess.run([sys.executable, "-c", script], check=True)


def test_what_fails_is_named_with_its_file_and_what_depends_on_it_is_skipped(home, project):
    project("broken.sql", "select nonesuch from {{ ref('now') }}")
    project("after.sql", "select * from {{ ref('broken') }}")
    with pytest.raises(TransformationFailed) as caught:
        build(home)
    message = str(caught.value)
    assert "1 of 3 nodes failed" in message
    assert "model broken (models/broken.sql)" in message
    assert "nonesuch" in message
    assert "1 nodes that read from them were skipped" in message
    assert caught.value.transformation.count("model", "success") == 1


def test_all_is_parsed_again_when_a_macro_changed(home, project, small_project, monkeypatch):
    """dbt alone may keep what it read of models that call it, and then fails to build them."""
    kept = small_project / "target" / home.warehouse.stem / "partial_parse.msgpack"
    macro = small_project / "macros" / "one.sql"
    macro.parent.mkdir()
    macro.write_text("{% macro one() %}1{% endmacro %}")
    transform.parse(home)
    found = []

    class Runner(dbtRunner):
        def invoke(self, args):
            found.append(kept.exists())
            return super().invoke(args)

    monkeypatch.setattr("dbt.cli.main.dbtRunner", Runner)
    project("another.sql", "select {{ one() }} as one")
    transform.parse(home)
    macro.write_text("{% macro one() %}2{% endmacro %}")
    transform.parse(home)
    shutil.rmtree(macro.parent)
    assert found == [True, False]


def test_a_project_that_does_not_parse_says_where(home, project):
    project("typo.sql", "select * from {{ ref('nonesuch') }}")
    with pytest.raises(TransformationFailed, match=r"models/typo\.sql"):
        dbt(home, ["build"])


def test_ctrl_c_during_a_build_is_no_failure_of_dbt(home, project, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("dbt.task.build.BuildTask.run", interrupted)

    with pytest.raises(KeyboardInterrupt):
        build(home)


def test_the_environment_is_left_as_it_was(home, project, monkeypatch):
    monkeypatch.setenv("KAIROS_WAREHOUSE", "before")
    build(home)
    assert transform.os.environ["KAIROS_WAREHOUSE"] == "before"
    assert Path(home.warehouse).exists()

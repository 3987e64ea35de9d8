import errno
import json
import subprocess
import sys
from time import perf_counter

import pytest
from click.testing import CliRunner

from kairos import cli
from warehouse.errors import KairosError
from warehouse.transform import Node, Transformation


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setattr(cli, "PROJECT", tmp_path)  # a developer's own .env is not for tests

    def run(*args, **env):
        return CliRunner().invoke(cli.main, args, env={"KAIROS_HOME": str(tmp_path), **env})

    return run


@pytest.fixture
def broken_build(monkeypatch):
    def broken(error):
        def fail(*args, **kwargs):
            raise error

        monkeypatch.setattr("kairos.commands.build.build", fail)

    return broken


def test_help_imports_no_command_and_answers_at_once():
    heavy = "('duckdb', 'dbt', 'dagster', 'rich')"
    code = f"import sys, kairos.cli; print([name for name in {heavy} if name in sys.modules])"
    start = perf_counter()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert perf_counter() - start < 2


def test_every_command_of_the_list_exists_and_has_help(run):
    for name in cli.COMMANDS:
        result = run(name, "--help")
        assert result.exit_code == 0, name
        assert "--debug" in result.output


def test_a_known_trouble_is_one_sentence_and_status_1(run, broken_build):
    broken_build(KairosError("the disk is full: free some space"))
    result = run("build")
    assert result.exit_code == 1
    assert result.stderr == "kairos: the disk is full: free some space\n"


def test_a_mistake_of_ours_is_named_without_a_traceback(run, broken_build):
    broken_build(ZeroDivisionError("oh"))
    result = run("build")
    assert result.exit_code == 1
    assert "unexpected ZeroDivisionError: oh" in result.stderr


def test_a_disk_that_cannot_be_written_is_no_mistake_of_ours(run, broken_build):
    broken_build(OSError(errno.EROFS, "Read-only file system", "/data/kairos/tmp"))
    result = run("build")
    assert result.exit_code == 1
    assert "/data/kairos/tmp cannot be written: Read-only file system; see" in result.stderr
    broken_build(FileNotFoundError(errno.ENOENT, "No such file", "/data/kairos/tmp"))
    assert "unexpected FileNotFoundError" in run("build").stderr


@pytest.mark.parametrize("args", [("--debug", "build"), ("build", "--debug")])
def test_debug_shows_where_it_comes_from(run, broken_build, args):
    broken_build(KairosError("no"))
    assert isinstance(run(*args).exception, KairosError)


def test_usage_errors_end_with_status_2(run):
    assert run("nonesuch").exit_code == 2
    result = run("build", "--as-of", "yesterday")
    assert result.exit_code == 2
    assert "'yesterday' is no instant" in result.stderr


def test_dotenv_fills_in_what_the_environment_lacks(run, tmp_path, monkeypatch):
    (tmp_path / ".env").write_text("KAIROS_A=file\nKAIROS_B=file\n")
    monkeypatch.setenv("KAIROS_A", "real")
    monkeypatch.setenv("KAIROS_B", "")
    monkeypatch.delenv("KAIROS_B")
    seen = {}
    monkeypatch.setattr(
        "kairos.commands.build.writer", lambda home, _: seen.update(cli.os.environ) or 1 / 0
    )
    run("build")
    assert (seen["KAIROS_A"], seen["KAIROS_B"]) == ("real", "file")


def test_a_build_knows_what_the_ledger_knows(run, tmp_path, monkeypatch):
    copied = []
    monkeypatch.setattr(
        "kairos.commands.build.build", lambda *_, **__: copied or pytest.fail("built before")
    )
    monkeypatch.setattr("kairos.commands.build.replicate", lambda *args: copied.append(args))
    run("build", "--as-of", "2026-01-05T12:00:00")
    [(home, _, at, keep)] = copied
    assert (home.root, at.isoformat(), keep.days) == (tmp_path, "2026-01-05T12:00:00+00:00", 90)


def test_a_build_names_what_it_warns_of(run, monkeypatch):
    node = Node(
        unique_id="test.kairos.assert_x",
        kind="test",
        name="assert_x",
        path="tests/dbt/assert_x.sql",
        compiled_path="x.sql",
        status="warn",
        message="Got 2 results, configured to warn if != 0",
        failure_count=2,
        elapsed_seconds=0.1,
    )
    done = Transformation((node,), 1.0)
    monkeypatch.setattr("kairos.commands.build.build", lambda *_, **__: done)
    result = run("build")
    assert result.exit_code == 0
    assert "1 warned" in result.stdout
    assert "test assert_x (tests/dbt/assert_x.sql): 2 rows break it" in result.stderr
    [warned] = json.loads(run("build", "--json").stdout)["warned"]
    assert warned["name"] == "assert_x"

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from kairos import cli
from warehouse.connection import connect
from warehouse.home import Home

LINE = b'{"event_id": "e", "event_name": "x", "event_at": "2026-01-01"}\n'


@pytest.fixture
def home(tmp_path):
    return Home.from_env({"KAIROS_HOME": str(tmp_path / "home")})


@pytest.fixture
def run(home, tmp_path, monkeypatch):
    monkeypatch.setattr(cli, "PROJECT", tmp_path)

    def run(*args, **env):
        words = [str(word) for word in args]
        return CliRunner().invoke(cli.main, words, env={"KAIROS_HOME": str(home.root), **env})

    return run


@pytest.fixture
def good(tmp_path):
    path = tmp_path / "good.jsonl"
    path.write_bytes(LINE + b"oops\n")
    return path


def test_what_is_taken_is_said_with_what_was_set_aside(run, good):
    result = run("ingest", good)
    assert result.exit_code == 0
    assert f"{good}: 1 row (kairos)" in result.stdout
    assert "1 line set aside in raw.unreadable_lines" in result.stderr


def test_a_second_offer_says_that_it_was_taken_before(run, good):
    run("ingest", good)
    result = run("ingest", good)
    assert result.exit_code == 0
    assert "taken before" in result.stdout


def test_the_instant_of_loading_can_be_set(run, good, home):
    run("ingest", good, "--loaded-at", "2026-03-01T01:00:00+01:00")
    with connect(home) as connection:
        found = connection.execute("select loaded_at::varchar from raw.events").fetchall()
    assert found == [("2026-03-01 00:00:00",)]


def test_status_is_3_when_others_were_taken_and_every_reason_is_listed(run, good, tmp_path):
    result = run("ingest", good, tmp_path / "a", tmp_path / "b")
    assert result.exit_code == 3
    assert f"{tmp_path}/a does not exist" in result.stderr
    assert f"{tmp_path}/b does not exist" in result.stderr


def test_status_is_1_when_nothing_was_taken(run, tmp_path):
    assert run("ingest", tmp_path / "a").exit_code == 1


def test_status_is_2_for_an_unknown_format(run, good):
    assert run("ingest", good, "--format", "excel").exit_code == 2


def test_a_program_gets_one_document(run, good, tmp_path):
    result = run("ingest", good, tmp_path / "none", "--json")
    document = json.loads(result.stdout)
    assert (document["row_count"], document["unreadable_count"]) == (1, 1)
    assert document["taken"][0]["format"] == "kairos"
    assert document["refused"] == [
        {"path": f"{tmp_path}/none", "reason": "does not exist: check the path"}
    ]


def test_a_warehouse_that_another_process_writes_to_is_one_sentence_and_loses_nothing(
    run, good, home
):
    script = (
        "import sys; from warehouse.connection import writer; from warehouse.home import Home\n"
        f"with writer(Home.from_env({{'KAIROS_HOME': {str(home.root)!r}}})):\n"
        "    print('held', flush=True); sys.stdin.read()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "held\n"
    result = run("ingest", good, KAIROS_LOCK_TIMEOUT_SECONDS="0.1")
    process.communicate("")
    assert result.exit_code == 1
    assert f"process {process.pid}" in result.stderr
    assert "Traceback" not in result.stderr
    assert run("ingest", good).exit_code == 0

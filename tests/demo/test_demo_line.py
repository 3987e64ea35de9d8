"""The whole demo, small, twice: every row is accounted for, and nothing is sent again."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


def demo(home: Path) -> dict:
    command = [sys.executable, "-m", "kairos", "demo", "--people", "120", "--json"]
    env = {**os.environ, "KAIROS_HOME": str(home)}
    done = subprocess.run(
        command, env=env, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> list[dict]:
    home = tmp_path_factory.mktemp("home")
    return [demo(home), demo(home)]


def test_every_word_of_the_line_has_work_and_reconciles(reports: list[dict]) -> None:
    names = ["events", "sessions", "signals", "scores", "triggers", "deliveries", "outcomes"]
    assert [word["name"] for word in reports[0]["words"]] == names
    for word in reports[0]["words"]:
        rest = sum(count for _, count in word["rest"])
        assert word["went_in"] == word["came_out"] + rest > 0
        assert word["came_out"] > 0, word


def test_the_line_finds_what_was_planted(reports: list[dict]) -> None:
    assert [pair for pair in reports[0]["planted"] if pair["difference"]] == []


def test_destinations_hold_what_the_ledger_says(reports: list[dict]) -> None:
    assert reports[0]["is_reconciled"]
    assert sum(pair["left"] for pair in reports[0]["delivered"]) > 100


def test_a_second_run_sends_nothing(reports: list[dict]) -> None:
    first, second = reports
    assert first["sent_count"] > 0
    assert (second["sent_count"], second["request_count"]) == (0, 0)
    assert second["words"] == first["words"]
    assert second["delivered"] == first["delivered"]

"""The whole demo, small, twice: every row is accounted for, and nothing is sent again."""

import gzip
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import duckdb
import pytest

NEVER_COMPARED = {
    "mark_number",
    "revision",
    "changed_from",
    "known_from",
    "known_until",
    "plan_version",
}


def kairos(home: Path, *args: str, status: int = 0) -> dict:
    command = [sys.executable, "-m", "kairos", *args, "--json"]
    env = {**os.environ, "KAIROS_HOME": str(home)}
    done = subprocess.run(
        command, env=env, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == status, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def reports(home: Path) -> list[dict]:
    return [kairos(home, "demo", "--people", "120") for _ in range(2)]


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


def everything(connection: duckdb.DuckDBPyConnection) -> dict[str, list[tuple]]:
    """Every row of every table, but for what says when it was computed."""
    tables = connection.execute(
        "select schema_name, table_name from duckdb_tables() where not temporary order by all"
    ).fetchall()
    held = {}
    for schema, table in tables:
        columns = [
            name
            for (name,) in connection.execute(
                "select column_name from duckdb_columns() "
                "where schema_name = $schema and table_name = $table order by column_index",
                {"schema": schema, "table": table},
            ).fetchall()
            if name not in NEVER_COMPARED
        ]
        rows = connection.execute(f"select {', '.join(columns)} from {schema}.{table} order by all")
        held[f"{schema}.{table}"] = rows.fetchall()
    return held


def test_an_erased_person_is_nowhere_and_the_others_where_they_were(
    home: Path, reports: list[dict]
) -> None:
    place = home / "demo"
    for file in (place / "events").iterdir():
        if file.name != "manifest.json":
            shutil.copy(file, place / "landing")
    with duckdb.connect(str(place / "warehouse.duckdb"), read_only=True) as connection:
        [(user, browser)] = connection.execute(
            """
            select user_key, min(identities.actor_id)
            from kairos.trigger_decisions
            inner join kairos.identities using (user_key)
            where outcome = 'send'
            group by user_key order by count(*) desc, user_key limit 1
            """
        ).fetchall()
        before = everything(connection)

    # its destinations are gone with the demo's sandbox: that is for a person to look at
    receipt = kairos(place, "erase", user, "--yes", status=3)
    assert user not in json.dumps(receipt)
    with duckdb.connect(str(place / "warehouse.duckdb"), read_only=True) as connection:
        after = everything(connection)
    named = re.compile(rf"\b({re.escape(user)}|{re.escape(browser)})\b")
    for table, rows in after.items():
        assert not [row for row in rows if named.search(repr(row))], table
    for table in (
        "raw.events",
        "raw.users",
        "raw.sync_operations",
        "kairos.trigger_decisions",
        "kairos.stg_ledger__sync_operations",
        "kairos.sync_state",
    ):
        assert after[table] == [row for row in before[table] if not named.search(repr(row))]
    for table in ("kairos.sessions", "kairos.int_signals_unioned", "kairos.intent_scores"):
        kept = set(after.get(table, []))
        assert kept <= set(before.get(table, [])), table
    assert not named.search(repr(sqlite(place / "ledger.db")))
    for file in (place / "landing").iterdir():
        content = file.read_bytes()
        text = gzip.decompress(content) if file.suffix == ".gz" else content
        assert not named.search(text.decode()), file

    again = kairos(place, "ingest", str(place / "landing"))
    assert again["row_count"] == 0
    assert kairos(place, "erase", user, "--dry-run")["raw_row_count"] == 0


def sqlite(path: Path) -> list[tuple]:
    with closing(sqlite3.connect(path)) as connection:
        tables = connection.execute("select name from sqlite_master where type = 'table'")
        return [
            row
            for (name,) in tables.fetchall()
            for row in connection.execute(f"select * from {name}").fetchall()
        ]

"""The demo's table: what it says adds up, and it says so when it does not."""

import io
from dataclasses import replace

import duckdb
import pytest
from rich.console import Console

from kairos.demo.compare import Pair
from kairos.demo.events import Settings
from kairos.demo.reconcile import Word, listed, reasons
from kairos.demo.report import WIDTH, Report, show
from kairos.demo.run import demo_home, events_of, without_destinations
from warehouse.errors import KairosError
from warehouse.home import Home

WORD = Word("events", "lines", 10, "accepted", 7, (("duplicate", 2), ("not_json", 1)), "7 events")
REPORT = Report(
    words=[WORD],
    planted=[Pair("not json", 1, 1, 0)],
    delivered=[Pair("appcues messages", 5, 5, 0)],
    sent_count=5,
    request_count=6,
    problems=[],
    elapsed_seconds=1.0,
)


def printed(report: Report) -> str:
    output = io.StringIO()
    console = Console(file=output, width=WIDTH)
    show(report, console, {"this run in Dagster's UI": "KAIROS_HOME=.kairos/demo make dev"})
    return output.getvalue()


def test_what_nobody_accounts_for_is_left() -> None:
    assert WORD.unexplained == 0
    assert replace(WORD, came_out=6).unexplained == 1
    assert replace(WORD, rest=()).unexplained == 3


def test_a_report_reconciles_only_when_every_word_and_every_destination_does() -> None:
    assert REPORT.is_reconciled
    assert not replace(REPORT, words=[replace(WORD, came_out=6)]).is_reconciled
    assert not replace(REPORT, delivered=[Pair("appcues messages", 5, 5, 2)]).is_reconciled


def test_what_was_found_otherwise_than_planted_is_shown_and_no_failure() -> None:
    report = replace(REPORT, planted=[Pair("session pause", 3, 1, 2)])
    assert report.is_reconciled
    assert "session pause" in printed(report)


def test_the_table_fits_a_page_that_is_no_terminal() -> None:
    lines = printed(REPORT).splitlines()
    assert max(map(len, lines)) <= WIDTH
    assert "\x1b" not in printed(REPORT)


def test_the_table_says_what_was_sent() -> None:
    assert "Sent in this run: 5 operations, in 6 requests" in printed(REPORT)
    again = printed(replace(REPORT, sent_count=0, request_count=0))
    assert "Sent in this run: nothing" in again


def test_reasons_come_by_how_often_they_occur() -> None:
    connection = duckdb.connect()
    query = "select * from (values ('b', 2), ('a', 2), ('c', 5), ('none', 0))"
    assert reasons(connection, query) == (("c", 5), ("a", 2), ("b", 2))
    assert listed(connection, query) == "5 c, 2 a, 2 b"


def test_the_demo_has_no_settings_of_real_destinations() -> None:
    env = {"KAIROS_APPCUES_API_KEY": "real", "KAIROS_HOME": "/x", "PATH": "/bin"}
    assert without_destinations(env) == {"PATH": "/bin"}


def test_the_demo_lives_in_a_home_of_its_own(tmp_path) -> None:
    home = Home.from_env({"KAIROS_HOME": str(tmp_path), "KAIROS_LEDGER_URL": "postgresql://real"})
    assert demo_home(home).root == tmp_path / "demo"
    assert demo_home(home).ledger_url == f"sqlite:///{tmp_path / 'demo' / 'ledger.db'}"


def test_events_are_made_once_and_other_settings_are_refused(tmp_path) -> None:
    home = demo_home(Home.from_env({"KAIROS_HOME": str(tmp_path)})).ensure()
    first = events_of(home, Settings(people=5, days=2))
    written = (home.root / "events" / "users.csv").stat().st_mtime_ns
    assert events_of(home, Settings(people=5, days=2)) == first
    assert (home.root / "events" / "users.csv").stat().st_mtime_ns == written
    with pytest.raises(KairosError, match="--fresh"):
        events_of(home, Settings(people=6, days=2))


def test_events_whose_making_was_interrupted_are_made_again(tmp_path) -> None:
    home = demo_home(Home.from_env({"KAIROS_HOME": str(tmp_path)})).ensure()
    (home.root / "events.partial").mkdir()
    (home.root / "events.partial" / "users.csv").write_text("half")
    assert events_of(home, Settings(people=5, days=2))["people"]
    assert not (home.root / "events.partial").exists()

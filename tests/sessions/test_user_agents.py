"""The patterns of user agents, on the fixtures that may be shipped."""

import csv
from pathlib import Path

import duckdb
import pytest

from benchmarks.bots import SEED, judge

FIXTURES = Path(__file__).parent / "fixtures"


def user_agents(name: str) -> list[str]:
    return (FIXTURES / name).read_text().splitlines()


def test_f8_no_browser_of_the_fixtures_is_taken_for_a_machine():
    browsers = user_agents("browsers.txt")

    assert [each for each, bot in zip(browsers, judge(browsers), strict=True) if bot] == []


def test_f8_crawlers_of_the_fixtures_are_recognised():
    verdicts = judge(user_agents("crawlers.txt"))

    # what is left are download managers and browsers of the nineties under an old list's label
    assert sum(verdicts) / len(verdicts) > 0.96


def test_every_pattern_runs_in_re2_and_has_no_capital():
    with SEED.open(newline="") as source:
        patterns = [row["pattern"] for row in csv.DictReader(source)]

    for pattern in patterns:
        duckdb.execute("select regexp_matches('x', $1)", [pattern])
        assert pattern.replace(r"\S", "") == pattern.replace(r"\S", "").lower()


@pytest.mark.parametrize(
    "user_agent",
    [
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
        "HeadlessChrome/130.0.0.0 Safari/537.36",
        "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; "
        "+https://openai.com/gptbot)",
        "python-requests/2.32.3",
        "curl/8.5.0",
        "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    ],
)
def test_what_everybody_meets_is_recognised(user_agent: str):
    assert judge([user_agent]) == [True]

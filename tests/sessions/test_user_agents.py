"""The patterns of user agents, on the fixtures that may be shipped."""

import csv
import gzip
from pathlib import Path

import duckdb
import pytest

from benchmarks.bots import SEED, judge

FIXTURES = Path(__file__).parent / "fixtures"


BAR = 0.99
"""Of crawlers on lists that nobody looked at while the patterns were written."""


def user_agents(name: str) -> list[str]:
    file = FIXTURES / name
    content = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
    return content.decode().splitlines()


@pytest.mark.parametrize("name", ["browsers.txt", "browsers_2025.txt.gz", "browsers_2026.txt.gz"])
def test_f8_no_browser_of_the_fixtures_is_taken_for_a_machine(name: str):
    browsers = user_agents(name)

    assert len(browsers) > 500
    assert [each for each, bot in zip(browsers, judge(browsers), strict=True) if bot] == []


@pytest.mark.parametrize("name", ["crawlers.txt", "crawlers_untuned.txt"])
def test_f8_crawlers_of_the_fixtures_are_recognised(name: str):
    verdicts = judge(user_agents(name))

    assert sum(verdicts) / len(verdicts) >= BAR


@pytest.mark.parametrize(
    "user_agent",
    [
        "Pocket Reader of Links/2.45beta",
        "frobnicate 0.3 (Linux 6.1; x86_64)",
        "Mozilla/5.0 (compatible; Frobnicator/7; en; Linux x86_64)",
        "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/115.0 see www.example.co",
        "Mozilla/4.0 (compatible; MSIE 8.0; Linux x86_64)",
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
        "Chrome/131.0.0.0 Safari/537.36 Zabbix/7.0",
        "Mozilla/4.0 (compatible; MSIE 7.0; Windows NT 10.0; Trident/7.0; "
        "Microsoft Outlook 16.0.1; ms-office)",
    ],
)
def test_a_machine_is_told_by_its_form_or_by_a_name_in_a_browsers_clothes(user_agent: str):
    assert judge([user_agent]) == [True]


@pytest.mark.parametrize(
    "user_agent",
    [
        "Dalvik/2.1.0 (Linux; U; Android 14; Pixel 8 Build/UD1A.230803.041)",
        "Example/512 CFNetwork/1490.0.4 Darwin/23.2.0",
        "Example/5.2 (com.example.app; build:12; iOS 17.1.0) Alamofire/5.8.1",
        "Example/3.1 (iPhone; iOS 17.0; Scale/3.00)",
        "snowplow/andr-6.0.2 android/13",
        "QC-7135/1.0.38 UP.Browser/4.1.25i",
        "DoCoMo/2.0 P01C(c500;TB;W20H13)",
        "HbbTV/1.4.1 (+DRM;Panasonic;SmartTV2019mid;0.753;4a01-0003 0040-0000;SmartTV2019;)",
        "Links (2.21; Linux 5.10 x86_64; GNU C 10.2.1; 80x24)",
        "Mozilla/5.0 (compatible; Konqueror/3.5; Linux)",
        "Mozilla/4.0 (compatible; MSIE 6.0; Linux i686; en) Opera 9.70",
        "Mozilla/4.0 (compatible; MSIE 7.0; Windows NT 10.0; Trident/7.0; .NET4.0E; ms-office)",
        "Mozilla/5.0 (Linux; Android 8.0; HUAWEI NXT-AL10 Build/HUAWEINXT-AL10; wv) "
        "AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/57.0.2987.132 MQQBrowser/6.2 "
        "Mobile Safari/537.36 MicroMessenger/7.0.1380 Process/tools NetType/WIFI",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 15_5 like Mac OS X) AppleWebKit/605.1.15 "
        "(KHTML, like Gecko) Mobile/15E148 Phantom/ios/22.06.08.44",
    ],
)
def test_an_app_a_telephone_and_an_old_browser_are_people(user_agent: str):
    assert judge([user_agent]) == [False]


def test_every_pattern_runs_in_re2_and_has_no_capital():
    with SEED.open(newline="") as source:
        patterns = [row["pattern"] for row in csv.DictReader(source)]

    with duckdb.connect() as connection:
        for pattern in patterns:
            connection.execute("select regexp_matches('x', $1)", [pattern]).fetchall()
    for pattern in patterns:
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

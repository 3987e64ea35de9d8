"""Measure the patterns of `seeds/bot_user_agents.csv` on public lists of user agents.

The lists are read from packages in a folder, as the registries serve them:

    pip download --no-deps --dest lists crawler-user-agents==1.67.0 fake-useragent==2.2.0
    pip download --no-deps --no-binary :all: --dest lists \\
        crawlerdetect==0.4.2 device-detector==6.5.1 is-crawler==1.5.25
    npm pack --pack-destination lists isbot@2.0.0 user-agents@2.1.198 woothee@1.11.1
    python -m benchmarks.bots lists

What was looked at while the patterns were written is marked `tuned`; lists of which a part was
looked at are cut by a hash of the user agent.
"""

import csv
import hashlib
import io
import json
import sys
import tarfile
import time
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import yaml

SEED = Path(__file__).parents[1] / "seeds" / "bot_user_agents.csv"
MATOMO_OTHERS = ("bots", "mobile_apps", "feed_reader", "podcasting", "mediaplayer", "unknown")
"""Fixtures of Matomo that are no browsers: apps, players, feed readers and what it cannot place."""


@dataclass(frozen=True)
class UserAgents:
    """A list, all of it bots or all of it people."""

    name: str
    is_bots: bool
    is_tuned: bool
    values: Sequence[str]


def patterns(seed: Path = SEED) -> tuple[str, str]:
    """Return what is looked for and what is masked before, as one regular expression each."""
    with seed.open(newline="") as source:
        rows = sorted(csv.DictReader(source), key=lambda row: row["pattern"])
    found = [row["pattern"] for row in rows if row["is_exclusion"] == "false"]
    masked = [row["pattern"] for row in rows if row["is_exclusion"] == "true"]
    return "|".join(found), "|".join(masked)


def judge(user_agents: Iterable[str], seed: Path = SEED) -> list[bool]:
    """Say of each whether it names itself a machine, as `int_user_agents_judged` does."""
    found, masked = patterns(seed)
    with duckdb.connect() as connection:
        rows = connection.execute(
            """
            select regexp_matches(regexp_replace(lower(user_agent), $masked, '&', 'g'), $found)
            from (select unnest($user_agents) as user_agent)
            """,
            {"masked": masked, "found": found, "user_agents": list(user_agents)},
        ).fetchall()
    return [is_bot for (is_bot,) in rows]


def lists(folder: Path) -> Iterator[UserAgents]:
    """Read every list of which the package is in the folder."""
    for pattern, read in READERS.items():
        for archive in sorted(folder.glob(pattern)):
            yield from read(archive)


def halves(name: str, is_bots: bool, values: Sequence[str]) -> Iterator[UserAgents]:
    """Cut a list in two by a hash, so that one half can be looked at and the other measured."""
    for half, is_tuned in ((0, True), (1, False)):
        yield UserAgents(
            f"{name}, half {half + 1}",
            is_bots,
            is_tuned,
            [value for value in values if _hash(value) % 2 == half],
        )


def quarters(name: str, is_bots: bool, values: Sequence[str]) -> Iterator[UserAgents]:
    """Cut a list by a hash: three quarters to look at, and the last that is only measured."""
    last = [value for value in values if _hash(value) % 4 == 3]
    looked_at = [value for value in values if _hash(value) % 4 != 3]
    yield UserAgents(f"{name}, three quarters", is_bots, True, looked_at)
    yield UserAgents(f"{name}, last quarter", is_bots, False, last)


def _hash(text: str) -> int:
    return int(hashlib.md5(text.encode()).hexdigest(), 16)


def _isbot(archive: Path) -> Iterator[UserAgents]:
    crawlers = _distinct(_member(archive, "crawlers.txt").splitlines())
    yield UserAgents("isbot 2.0.0, crawlers", True, True, crawlers)
    browsers = _distinct(_member(archive, "browsers.txt").splitlines())
    yield UserAgents("isbot 2.0.0, browsers", False, True, _browsers(browsers))


def _crawler_user_agents(archive: Path) -> Iterator[UserAgents]:
    entries = json.loads(_member(archive, "crawler-user-agents.json"))
    instances = [value for entry in entries for value in entry.get("instances", [])]
    yield UserAgents("crawler-user-agents 1.67.0", True, True, _distinct(instances))


def _crawlerdetect(archive: Path) -> Iterator[UserAgents]:
    crawlers = _distinct(_member(archive, "user_agent/crawlers.txt").splitlines())
    yield from quarters("crawlerdetect 0.4.2, crawlers", True, crawlers)
    devices = _distinct(_member(archive, "user_agent/devices.txt").splitlines())
    yield from halves("crawlerdetect 0.4.2, devices", False, _browsers(devices))


def _matomo(archive: Path) -> Iterator[UserAgents]:
    found: dict[str, list[str]] = {}
    with tarfile.open(archive) as tar:
        for member in tar:
            if "tests/fixtures/upstream/" in member.name and member.name.endswith(".yml"):
                rows = yaml.load(tar.extractfile(member), yaml.CSafeLoader)
                agents = [str(row["user_agent"]) for row in rows if row.get("user_agent")]
                found[Path(member.name).stem] = agents
    yield UserAgents("Matomo (device-detector 6.5.1), bots", True, False, _distinct(found["bots"]))
    people = [v for name, values in found.items() if name not in MATOMO_OTHERS for v in values]
    yield from halves("Matomo, devices", False, _browsers(_distinct(people)))


def _fake_useragent(archive: Path) -> Iterator[UserAgents]:
    rows = _member(archive, "browsers.jsonl").splitlines()
    seen = _distinct(json.loads(row)["useragent"] for row in rows)
    yield UserAgents("fake-useragent 2.2.0, seen in 2025", False, False, seen)


def _user_agents(archive: Path) -> Iterator[UserAgents]:
    rows = json.loads(_member(archive, "dist/user-agents.json"))
    seen = _distinct(row["userAgent"] for row in rows)
    yield UserAgents("user-agents 2.1.198, seen in 2026", False, False, seen)


def _is_crawler(archive: Path) -> Iterator[UserAgents]:
    seen = _distinct(_member(archive, "fixtures/browser_user_agents.txt").splitlines())
    yield from halves("is-crawler 1.5.25, browsers", False, _browsers(seen))


def _woothee(archive: Path) -> Iterator[UserAgents]:
    crawlers = [
        row["target"]
        for name in ("crawler.yaml", "crawler_nonmajor.yaml")
        for row in yaml.load(_member(archive, f"testsets/{name}"), yaml.CSafeLoader)
    ]
    yield UserAgents("woothee 1.11.1, crawlers", True, False, _distinct(crawlers))


READERS: dict[str, Callable[[Path], Iterator[UserAgents]]] = {
    "isbot-2*.tgz": _isbot,
    "crawler_user_agents-*.whl": _crawler_user_agents,
    "crawlerdetect-*.tar.gz": _crawlerdetect,
    "device_detector-*.tar.gz": _matomo,
    "fake_useragent-*.whl": _fake_useragent,
    "user-agents-*.tgz": _user_agents,
    "is_crawler-*.tar.gz": _is_crawler,
    "woothee-*.tgz": _woothee,
}


def _member(archive: Path, ending: str) -> str:
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            name = next(name for name in wheel.namelist() if name.endswith(ending))
            return wheel.read(name).decode(errors="replace")
    with tarfile.open(archive) as tar:
        member = next(member for member in tar if member.name.endswith(ending))
        return io.TextIOWrapper(tar.extractfile(member), errors="replace").read()


def _distinct(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(value.strip() for value in values if value and value.strip()))


def _browsers(values: Iterable[str]) -> list[str]:
    """Keep what has the form of a browser's: lists of devices hold jokes and bare numbers, too.

    Outlook has that form when it fetches the pictures of a mail, and is no browser.
    """
    agents = [value for value in values if value.lower().startswith(("mozilla/", "opera/"))]
    return [agent for agent in agents if "microsoft outlook" not in agent.lower()]


def speed(count: int, values: Sequence[str]) -> float:
    """Return the seconds that it takes to judge so many distinct user agents."""
    distinct = [f"{values[number % len(values)]} {number}" for number in range(count)]
    started = time.perf_counter()
    judge(distinct)
    return time.perf_counter() - started


def together(every: Iterable[UserAgents]) -> Iterator[UserAgents]:
    """Every untuned crawler once, and those of them that no tuned list holds."""
    bots = [each for each in every if each.is_bots]
    tuned = {value.lower() for each in bots if each.is_tuned for value in each.values}
    untuned = _distinct(value for each in bots if not each.is_tuned for value in each.values)
    new = [value for value in untuned if value.lower() not in tuned]
    yield UserAgents("untuned crawlers together", True, False, untuned)
    yield UserAgents("of them in no tuned list", True, False, new)


def main(folder: Path) -> None:
    """Print a table of recall and false alarms, and the speed."""
    people: list[str] = []
    every = list(lists(folder))
    print("| list | n | flagged | share | |")
    print("|---|---|---|---|---|")
    for each in [*every, *together(every)]:
        flagged = sum(judge(each.values))
        people += [] if each.is_bots else each.values
        kind = ("recall" if each.is_bots else "false alarms") + (", tuned" if each.is_tuned else "")
        share = flagged / len(each.values)
        print(f"| {each.name} | {len(each.values):,} | {flagged:,} | {share:.4f} | {kind} |")
    print(f"\n1,000,000 distinct user agents: {speed(1_000_000, people):.1f} s")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

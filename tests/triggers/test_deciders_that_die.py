"""Laws 3, 4 and 5 with real processes: a run that is killed while it decides, and two at once."""

import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from tests.harness import Happening, insert, instant, named, raw_event
from warehouse.connection import connect
from warehouse.home import Home
from warehouse.landing import ensure_raw
from warehouse.lock import writer
from warehouse.transform import dbt, parse

MORNING, NOON = 3600, 3 * 3600
DECIDING = ("run", "--select", "path:models/triggers")
KILLS = 2
PEOPLE = 12


def events() -> list[Happening]:
    """Return events of people who fail and finish in the morning, and again at noon."""
    return named(
        Happening(
            begin + second + number, name, {"cta_id": "save"}, actor=f"b{number}", user_id=user
        )
        for number, user in enumerate(f"p{number}" for number in range(PEOPLE))
        for begin in (MORNING - 600, NOON - 600)
        for second, name in (
            (0, "sign_up"),
            *((60 + 5 * click, "cta_click_failed") for click in range(3)),
            (120, "onboarding_completed"),
        )
    )


class Deciding:
    """A warehouse that has decided in the morning and is about to decide at noon."""

    def __init__(self, root: Path) -> None:
        self.root = root
        home = self.home(root)
        self.manifest = parse(home)
        with connect(home) as connection:
            ensure_raw(connection)
            insert(connection, "raw.events", [raw_event(each) for each in events()])
        everything = ("build", "--exclude-resource-type", "unit_test", "test")
        later = ("--exclude", "path:models/deliveries", "path:models/outcomes")
        self.run(home, (*everything, *later), MORNING)
        self.run(home, ("run", *later, "path:models/triggers"), NOON)

    def home(self, root: Path) -> Home:
        return Home(root, root / "warehouse.duckdb", "", root / "landing").ensure()

    def copy(self, name: str) -> Home:
        root = self.root / name
        root.mkdir()
        shutil.copy(self.root / "warehouse.duckdb", root)
        return self.home(root)

    def run(
        self,
        home: Home,
        arguments: tuple[str, ...] = DECIDING,
        as_of: float = NOON,
        on_node: Callable[[int, int, str], None] | None = None,
    ) -> None:
        now = instant(as_of)
        with writer(home):
            dbt(home, arguments, as_of=now, on_node=on_node, manifest=self.manifest)


def facts(home: Home) -> dict[str, list[tuple]]:
    """Return all that was decided and why."""
    with connect(home, read_only=True) as connection:
        return {
            table: connection.execute(f"select * from kairos.{table} order by all").fetchall()
            for table in ("trigger_decisions", "decision_gates")
        }


@pytest.fixture(scope="module")
def deciding(tmp_path_factory: pytest.TempPathFactory) -> Deciding:
    return Deciding(tmp_path_factory.mktemp("deciding"))


@pytest.fixture(scope="module")
def undisturbed(deciding: Deciding) -> dict[str, list[tuple]]:
    home = deciding.copy("undisturbed")
    deciding.run(home)
    return facts(home)


def in_a_process(work: Callable[[], None]) -> int:
    """Start a process of its own for some work, and return its id."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        work()
        code = 0
    finally:
        os._exit(code)


def moments() -> list[tuple[str, float]]:
    """Return when to kill: so many seconds after a model was built."""
    chance = Random(11)
    models = ("candidates_due", "contender_limits", "decision_gates", "trigger_decisions")
    anywhere = [(chance.choice(models), chance.random() / 4) for _ in range(KILLS)]
    return [("decision_gates", 0), ("contender_limits", 0.05), *anywhere]


@pytest.mark.parametrize(("model", "seconds"), moments())
def test_a_run_that_is_killed_while_it_decides_is_made_up_for(
    deciding, undisturbed, model, seconds, request
):
    home = deciding.copy(request.node.name)
    built, tell = os.pipe()

    def decide() -> None:
        deciding.run(home, on_node=lambda _, __, name: os.write(tell, f"{name}\n".encode()))

    child = in_a_process(decide)
    os.close(tell)
    with os.fdopen(built) as names:
        assert any(name.strip() == model for name in names)
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)

    deciding.run(home)

    assert facts(home) == undisturbed


def test_two_deciders_at_once_decide_as_one(deciding, undisturbed):
    home = deciding.copy("two")
    children = [in_a_process(lambda: deciding.run(home)) for _ in range(2)]

    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0]
    assert facts(home) == undisturbed


def test_there_was_something_to_decide(undisturbed):
    decided_at = {row[6] for row in undisturbed["trigger_decisions"]}
    assert len(decided_at) == 2

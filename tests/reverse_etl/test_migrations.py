"""A ledger's tables are brought forward once, whoever asks, and never back."""

import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa

from reverse_etl.errors import LedgerTooNew
from reverse_etl.ledger import migrations, schema
from reverse_etl.ledger.store import Ledger
from tests.reverse_etl.conftest import NOW

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
KEPT = (
    "insert into reservations (decision_id, user_key, reserved_at, counts_toward_caps) "
    f"values ('d', 'ada', {schema.to_micros(NOW)}, {{true}})"
)


@pytest.fixture
def old_url(ledger_url: str) -> str:
    """A ledger of version 1 with a reservation in it."""
    engine = sa.create_engine(ledger_url)
    text = (HERE / "ledger_version_1.sql").read_text()
    is_sqlite = engine.dialect.name == "sqlite"
    if not is_sqlite:
        text = text.replace("INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT", "BIGSERIAL PRIMARY KEY")
    with engine.begin() as connection:
        for statement in (*text.split(";\n"), KEPT.format(true="1" if is_sqlite else "true")):
            if statement.strip():
                connection.exec_driver_sql(statement)
    engine.dispose()
    return ledger_url


def shape(url: str) -> dict[str, object]:
    engine = sa.create_engine(url)
    look = sa.inspect(engine)
    found = {
        table: (
            sorted((c["name"], str(c["type"]), c["nullable"]) for c in look.get_columns(table)),
            look.get_pk_constraint(table)["constrained_columns"],
            sorted((i["name"], tuple(i["column_names"])) for i in look.get_indexes(table)),
        )
        for table in look.get_table_names()
    }
    engine.dispose()
    return found


def test_an_old_ledger_becomes_what_a_new_one_is_and_forgets_nothing(old_url, tmp_path) -> None:
    fresh = f"sqlite:///{tmp_path / 'fresh.db'}"
    with Ledger.open(old_url) as ledger, ledger._database.read() as connection:
        assert migrations.version_of(connection) == migrations.VERSION
        [row] = connection.execute(sa.select(schema.reservations))
        assert (row.decision_id, row.reserved_at) == ("d", NOW)
    migrated = shape(old_url)
    if old_url.startswith("postgresql"):
        # emptied, and made anew on the same server
        engine = sa.create_engine(old_url)
        schema.metadata.drop_all(engine)
        engine.dispose()
        fresh = old_url
    Ledger.open(fresh).close()
    assert migrated == shape(fresh)


def test_each_step_is_taken_once_by_whoever_comes_first(old_url: str, monkeypatch) -> None:
    taken: list[int] = []

    def slowly(number: int) -> None:
        taken.append(number)
        time.sleep(0.1)

    last = migrations.VERSION
    steps = [(last + n, lambda connection, n=n: slowly(n)) for n in (1, 2)]
    monkeypatch.setattr(migrations, "STEPS", (*migrations.STEPS, *steps))
    monkeypatch.setattr(migrations, "VERSION", last + 2)
    begin = threading.Barrier(6)

    def open_together(_: int) -> None:
        begin.wait(10)
        Ledger.open(old_url).close()

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(open_together, range(6)))
    assert taken == [1, 2]


def test_two_processes_bring_it_forward_at_the_same_time(old_url: str) -> None:
    code = "import sys; from reverse_etl.ledger.store import Ledger; Ledger.open(sys.argv[1])"
    both = [
        subprocess.Popen(
            [sys.executable, "-c", code, old_url], cwd=ROOT, stderr=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    assert [(one.communicate(timeout=60)[1], one.returncode) for one in both] == [("", 0)] * 2


def test_a_step_that_fails_leaves_the_ledger_as_it_was(old_url: str, monkeypatch) -> None:
    def break_off(connection: sa.Connection) -> None:
        connection.exec_driver_sql("alter table owners add column half_way integer")
        raise ZeroDivisionError

    before = shape(old_url)
    monkeypatch.setattr(migrations, "STEPS", (*migrations.STEPS, (99, break_off)))
    monkeypatch.setattr(migrations, "VERSION", 99)
    with pytest.raises(ZeroDivisionError):
        Ledger.open(old_url)
    assert shape(old_url) == before


def test_an_older_kairos_refuses_a_newer_ledger_and_says_why(ledger_url: str) -> None:
    with Ledger.open(ledger_url) as ledger, ledger._database.write() as connection:
        connection.execute(schema.versions.update().values(version=migrations.VERSION + 1))
    with pytest.raises(LedgerTooNew) as refused:
        Ledger.open(ledger_url)
    known = migrations.VERSION
    assert f"has version {known + 1} and this Kairos knows {known}" in str(refused.value)

"""How the ledger opens, and looks things up: by what is written, not through all that is held."""

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from reverse_etl.errors import LedgerUnavailable
from reverse_etl.ledger.caps import Guard
from reverse_etl.ledger.store import Ledger
from reverse_etl.model import Result, State
from tests.reverse_etl.conftest import NOW, operation


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("postgresql+psycopg://ann:hunter2@127.0.0.1:9/ledger", "Connection refused"),
        ("postgresql+psycopg2://ann:hunter2@127.0.0.1:9/ledger", "psycopg2"),
        ("mysql://ann:hunter2@127.0.0.1/ledger", "SQLite or PostgreSQL"),
        ("hunter2", "Could not parse"),
        ("sqlite://", "would forget"),
    ],
)
def test_a_ledger_that_cannot_be_opened_says_why_and_no_password(url: str, reason: str) -> None:
    with pytest.raises(LedgerUnavailable, match=f"{reason}.*check KAIROS_LEDGER_URL") as caught:
        Ledger.open(url)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("scheme", ["postgres", "postgresql"])
def test_postgres_needs_no_name_of_a_driver(scheme: str, postgres_url: str) -> None:
    with Ledger.open(postgres_url.replace("postgresql+psycopg", scheme, 1)) as ledger:
        assert ledger.operations() == []


def test_what_is_sent_and_answered_is_looked_up_by_its_key(tmp_path: Path) -> None:
    updates: list[tuple[str, Any]] = []
    operations = [operation(n) for n in range(3)]
    keys = [one.idempotency_key for one in operations]
    with Ledger.open(f"sqlite:///{tmp_path / 'ledger.db'}") as ledger:

        @sa.event.listens_for(ledger._database.engine, "before_cursor_execute")
        def note(_: Any, __: Any, statement: str, parameters: Any, *more: Any) -> None:
            if statement.startswith("update operations"):
                updates.append((statement, parameters))

        claim = {"at": NOW, "guard": Guard([]), "resends": lambda *_: True}
        with ledger.owner("earlier"):
            ledger.claim(operations, owner_id="earlier", run_id="earlier", **claim)
        with ledger.owner("run"):
            ledger.claim(operations, owner_id="run", run_id="run", **claim)
            assert ledger.begin(keys, "run", NOW) == set(keys)
            ledger.finish([(operations[0], Result(State.ACCEPTED, 200))], "run", NOW)

        sa.event.remove(ledger._database.engine, "before_cursor_execute", note)
        with ledger._database.read() as connection:
            ways = [
                step.detail
                for text, values in updates
                for step in connection.exec_driver_sql(f"explain query plan {text}", values)
                if "operations" in step.detail
            ]
    assert len(ways) == 3, "claimed, begun, finished"
    assert all("(idempotency_key=?)" in way for way in ways), ways

"""How the ledger looks things up: work that grows with what is written, not with what is held."""

from pathlib import Path
from typing import Any

import sqlalchemy as sa

from reverse_etl.ledger.caps import Guard
from reverse_etl.ledger.store import Ledger
from reverse_etl.model import Result, State
from tests.reverse_etl.conftest import NOW, operation


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

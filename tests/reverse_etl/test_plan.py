"""The plan as it is read: in its order, and without a word among the results."""

from typing import Any, Self

import duckdb
import pytest

from reverse_etl import plan
from tests.reverse_etl.conftest import Line, operation
from warehouse import connection as warehouse
from warehouse.errors import KairosError


class InATerminal:
    """A connection that would draw a progress bar; notes, before each query, whether it may."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, may_draw: list[bool]) -> None:
        connection.execute("set enable_progress_bar = true")
        self._connection = connection
        self._may_draw = may_draw

    def execute(self, query: str, *rest: Any) -> duckdb.DuckDBPyConnection:
        if not query.startswith("set "):
            setting = "select current_setting('enable_progress_bar')"
            self._may_draw += self._connection.execute(setting).fetchone()
        return self._connection.execute(query, *rest)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


def test_nothing_is_drawn_among_the_results(line: Line, monkeypatch) -> None:
    # not by what is drawn: that depends on how long a query takes
    line.plan([operation(n) for n in range(3)])
    opened, may_draw = duckdb.connect, []
    monkeypatch.setattr(
        duckdb, "connect", lambda *names, **more: InATerminal(opened(*names, **more), may_draw)
    )

    with plan.planned(line.home, "webhook") as operations:
        assert len(list(operations)) == 3

    assert may_draw == [False] * len(may_draw)
    assert len(may_draw) >= 3


def test_a_plan_comes_in_its_order_however_it_lies_in_the_warehouse(line: Line) -> None:
    count = plan.SLICE * 3
    with warehouse.connect(line.home) as connection:
        # numbers with gaps, and two operations to each
        connection.execute(
            "insert into kairos.sync_plan by name select hash(i) % 97 || '-' || i "
            "as operation_id, 'k' || i as idempotency_key, "
            "'webhook' as destination, 'audience' as kind, 'add' as operation, "
            "'people' as object_key, 'u' || i as user_key, "
            "i // 2 + (i // 8_000) * 1_000_000 as sequence_number "
            f"from range({count}) as numbers (i) order by hash(i)"
        )
        wanted = connection.execute(
            "select operation_id from kairos.sync_plan order by sequence_number, operation_id"
        ).fetchall()

    with plan.planned(line.home, "webhook") as operations:
        found = [operation.operation_id for operation in operations]
    with plan.planned(line.home, "webhook", limit=plan.SLICE + 1) as operations:
        first = [operation.operation_id for operation in operations]

    assert found == [name for (name,) in wanted]
    assert first == found[: plan.SLICE + 1]


def test_a_plan_of_another_version_is_built_again_before_it_is_read(line: Line) -> None:
    with warehouse.connect(line.home) as connection:
        connection.execute("alter table kairos.sync_plan drop column field_names")
    for read in (line.sync, lambda: plan.sample(line.home, None)):
        with pytest.raises(KairosError, match="a plan of another version: run `kairos build`"):
            read()

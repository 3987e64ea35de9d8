"""The plan as it is read: in its order, and without a word among the results."""

from typing import Any

import duckdb

from reverse_etl import plan
from tests.reverse_etl.conftest import Line
from warehouse import connection as warehouse


def test_nothing_is_drawn_among_the_results(line: Line, monkeypatch, capfd) -> None:
    with warehouse.connect(line.home) as connection:
        connection.execute(
            "insert into kairos.sync_plan by name select 'o' || i as operation_id, "
            "'k' || i as idempotency_key, 'webhook' as destination, 'audience' as kind, "
            "'add' as operation, 'people' as object_key, md5(cast(i as varchar)) as user_key, "
            "i as sequence_number from range(150_000) as numbers (i)"
        )
    opened = duckdb.connect

    def as_in_a_terminal(*names: str, **more: Any) -> duckdb.DuckDBPyConnection:
        connection = opened(*names, **more)
        connection.execute("set enable_progress_bar = true; set progress_bar_time = 1")
        return connection

    monkeypatch.setattr(duckdb, "connect", as_in_a_terminal)

    with plan.planned(line.home, "webhook") as operations:
        numbers = [operation.sequence_number for operation in operations]

    assert numbers == list(range(150_000))
    assert capfd.readouterr() == ("", "")


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

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

"""In which order the files are handed to the processes that run them."""

from pathlib import Path

import pytest

LONGEST = (
    "demo/test_demo_line.py",
    "orchestration/test_run.py",
    "triggers/test_deciders_that_die.py",
    "laws/test_law_1_arrival_order.py",
    "reverse_etl/destinations/test_bus_laws.py",
    "test_dbt_project.py",
    "signals/test_no_look_ahead.py",
    "sessions/test_corrected_plan.py",
    "triggers/test_replay.py",
    "triggers/test_oracle.py",
    "reverse_etl/test_many_hands.py",
    "signals/test_oracles.py",
    "laws/test_worked_sessions.py",
    "triggers/test_caps.py",
    "reverse_etl/test_sync.py",
    "reverse_etl/test_retention.py",
)
"""Files that take some ten seconds or more. A process works through a whole file, for what its
tests share; were one of these the last to begin, everybody would wait for it."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the longest files begin first, and leave the others in their order."""
    tests = Path(__file__).parent
    places = {tests / name: place for place, name in enumerate(LONGEST)}
    if gone := [file for file in places if not file.is_file()]:
        raise pytest.UsageError(f"{gone[0]} is no file: take it out of LONGEST in {__file__}")
    items.sort(key=lambda item: places.get(item.path, len(LONGEST)))

"""Deliveries of one destination at a time, for every module of this folder."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from reverse_etl.ledger.store import Ledger

pytest.register_assert_rewrite("tests.reverse_etl.destinations.contract")

from tests.reverse_etl.destinations.contract import Delivery, delivery  # noqa: E402

__all__ = ["delivery"]


@pytest.fixture
def deliver(tmp_path: Path) -> Iterator[Callable[[str, Mapping[str, str]], Delivery]]:
    """Make a delivery of a destination and its variables."""
    with Ledger.open(f"sqlite:///{tmp_path / 'ledger.db'}") as ledger:
        yield lambda name, env: Delivery(name, env, ledger)

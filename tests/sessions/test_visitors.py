"""Visitors with labels, through the compiled models: people stay, every kind of bot is caught."""

import pytest

from benchmarks.behaviour import played
from benchmarks.visitors import BOTS, PEOPLE
from tests.harness import compiled

SEED = 20
"""Not the one on which thresholds were set."""


@pytest.fixture(scope="module")
def shares(tmp_path_factory: pytest.TempPathFactory) -> dict[str, float]:
    """Of each kind, the share that is taken for machines."""
    folder = tmp_path_factory.mktemp("visitors")
    visitors = played(compiled(folder), 10, SEED, folder)
    return {
        kind: sum(events_before is not None for events_before in each) / len(each)
        for kind, each in visitors.items()
    }


@pytest.mark.property
@pytest.mark.parametrize("kind", [kind.__name__ for kind in PEOPLE])
def test_f8_no_person_is_taken_for_a_machine(shares: dict[str, float], kind: str) -> None:
    assert shares[kind] == 0


@pytest.mark.property
@pytest.mark.parametrize("kind", [kind.__name__ for kind in BOTS])
def test_f8_nine_in_ten_of_every_kind_of_bot_are_caught(
    shares: dict[str, float], kind: str
) -> None:
    assert shares[kind] >= 0.9

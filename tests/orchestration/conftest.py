"""A home of its own for each test; the code location is loaded once."""

from pathlib import Path

import dagster as dg
import pytest

from orchestration.definitions import definitions
from warehouse.home import Home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.from_env({"KAIROS_HOME": str(tmp_path / "home")}).ensure()


@pytest.fixture(scope="session")
def location(tmp_path_factory: pytest.TempPathFactory) -> dg.Definitions:
    home = Home.from_env({"KAIROS_HOME": str(tmp_path_factory.mktemp("location"))})
    return definitions(home)

"""The project compiled in both forms, once."""

import pytest

from tests.harness import compiled
from warehouse.compiled import CompiledProject, compile_project
from warehouse.home import Home


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> CompiledProject:
    return compiled(tmp_path_factory.mktemp("plain"))


@pytest.fixture(scope="session")
def narrowed(tmp_path_factory: pytest.TempPathFactory) -> CompiledProject:
    root = tmp_path_factory.mktemp("narrowed")
    home = Home(root, root / "compiled.duckdb", "", root / "landing")
    return compile_project(home, incremental=True)

"""The models are compiled once; each test has a world of its own."""

import pytest

from tests.triggers.world import World
from warehouse.compiled import CompiledProject, compile_project
from warehouse.home import Home


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> CompiledProject:
    root = tmp_path_factory.mktemp("compiled")
    return compile_project(Home(root, root / "compiled.duckdb", "", root / "landing"))


@pytest.fixture
def world(project: CompiledProject) -> World:
    return World(project)

"""The models are compiled once; each test has a world of its own."""

import pytest

from tests.harness import compiled
from tests.triggers.world import World
from warehouse.compiled import CompiledProject


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> CompiledProject:
    return compiled(tmp_path_factory.mktemp("compiled"))


@pytest.fixture
def world(project: CompiledProject) -> World:
    return World(project)

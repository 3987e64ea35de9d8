"""The project is compiled once; what is broken on purpose is broken in a line of its own."""

import pytest

from tests.harness import SESSION_LIMIT, Line, compiled
from warehouse.compiled import CompiledProject


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> CompiledProject:
    return compiled(tmp_path_factory.mktemp("compiled"), session_limit_seconds=SESSION_LIMIT)


@pytest.fixture(scope="session")
def line(project: CompiledProject) -> Line:
    return Line(project, ["signals", "intent_scores", "engagement_scores", "page_views"])

"""The project compiled in both forms, once."""

import pytest

from tests.harness import SESSION_LIMIT, compiled
from warehouse.compiled import CompiledProject


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> CompiledProject:
    return compiled(tmp_path_factory.mktemp("plain"), session_limit_seconds=SESSION_LIMIT)


@pytest.fixture(scope="session")
def narrowed(tmp_path_factory: pytest.TempPathFactory) -> CompiledProject:
    return compiled(
        tmp_path_factory.mktemp("narrowed"), incremental=True, session_limit_seconds=SESSION_LIMIT
    )

"""A sandbox of its own for each test, on a free port."""

from collections.abc import Iterator

import pytest
import requests

from reverse_etl.sandbox import Sandbox


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


@pytest.fixture
def http() -> Iterator[requests.Session]:
    with requests.Session() as session:
        yield session

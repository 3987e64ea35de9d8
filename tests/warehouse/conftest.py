from datetime import UTC, datetime

import pytest

from warehouse.connection import connect
from warehouse.home import Home
from warehouse.ingest.load import ingest

LOADED_AT = datetime(2026, 2, 1, tzinfo=UTC)


@pytest.fixture
def home(tmp_path):
    return Home.from_env({"KAIROS_HOME": str(tmp_path / "home")})


@pytest.fixture
def take(home):
    def take(*paths, format="auto"):
        return ingest(home, [str(path) for path in paths], LOADED_AT, format)

    return take


@pytest.fixture
def rows(home):
    def rows(query):
        with connect(home) as connection:
            return connection.execute(query).fetchall()

    return rows


@pytest.fixture
def count(rows):
    def count(table="raw.events"):
        return rows(f"select count(*) from {table}")[0][0]

    return count

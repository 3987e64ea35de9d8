"""A warehouse with a hand-made plan, both ledgers, and the sandbox to deliver to."""

import json
import os
import threading
import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from reverse_etl.dispatch.patience import Tuning
from reverse_etl.ledger.store import Ledger
from reverse_etl.model import Kind, Operation
from reverse_etl.plan import COLUMNS
from reverse_etl.sandbox import Sandbox
from reverse_etl.sync import SyncOptions, SyncReport, sync
from tests.harness import compiled
from warehouse.compiled import CompiledProject
from warehouse.connection import connect
from warehouse.home import Home
from warehouse.landing import ensure_raw

NOW = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
POSTGRES = os.environ.get("KAIROS_TEST_POSTGRES", "postgresql://postgres@127.0.0.1:5432/test")
QUICK = Tuning(
    backoff_seconds=0.001, longest_backoff_seconds=0.01, breaker_seconds=0.05, patience_seconds=0.5
)

TYPES = {name: "VARCHAR" for name in COLUMNS}

CREATE_PLAN = """
create schema if not exists kairos;
create or replace table kairos.sync_plan (
    operation_id varchar, idempotency_key varchar, destination varchar, kind varchar,
    operation varchar, is_retry boolean, object_key varchar, user_key varchar,
    decision_id varchar, payload varchar, payload_hash varchar, scope varchar,
    decided_at timestamp, planned_at timestamp, expires_at timestamp, sequence_number bigint,
    field_names varchar
);
create table if not exists kairos.caps_in_force (
    cap_name varchar, scope varchar, scope_value varchar, window_kind varchar,
    window_seconds bigint, time_zone varchar, maximum integer,
    hash_seed varchar, bucket_from double, bucket_to double
);
create table if not exists kairos.destinations (
    destination varchar, unknown_policy varchar, is_enabled boolean
);
create or replace view kairos.sync_state as
select
    destination, kind, object_key, user_key,
    arg_max(operation, sequence) <> 'remove' as is_present
from raw.sync_operations
where state = 'accepted'
group by destination, kind, object_key, user_key;
"""


def operation(
    number: int,
    *,
    destination: str = "webhook",
    kind: str = "audience",
    verb: str = "add",
    object_key: str = "people",
    user_key: str | None = None,
    payload: Mapping[str, Any] | None = None,
    scope: Mapping[str, Any] | None = None,
    expires_at: datetime | None = None,
    key: str | None = None,
) -> Operation:
    """One planned operation; what a test does not name is the same every time."""
    user_key = user_key or f"user-{number}"
    key = key or f"{destination}-{kind}-{object_key}-{user_key}-{verb}-{number}"
    return Operation(
        operation_id=key,
        idempotency_key=key,
        destination=destination,
        kind=Kind(kind),
        operation=verb,
        object_key=object_key,
        user_key=user_key,
        decision_id=f"decision-{number}" if kind == "moment" else None,
        payload_text=json.dumps(payload or {}),
        payload_hash="hash",
        scope_text=json.dumps(scope) if scope is not None else None,
        decided_at=NOW if kind == "moment" else None,
        planned_at=NOW,
        expires_at=expires_at,
        sequence_number=number,
    )


def moment(number: int, **fields: Any) -> Operation:
    return operation(number, kind="moment", verb="send", **{"object_key": "tip", **fields})


class Line:
    """A home with a plan in it, delivered to the sandbox."""

    def __init__(self, root: Path, sandbox: Sandbox, ledger_url: str | None = None) -> None:
        env = {"KAIROS_HOME": str(root)}
        if ledger_url:
            env["KAIROS_LEDGER_URL"] = ledger_url
        self.env: dict[str, str] = {**env, **sandbox.environment()}
        self.env["KAIROS_WEBHOOK_REQUESTS_PER_SECOND"] = "1000"
        self.home = Home.from_env(self.env).ensure()
        self.now = NOW
        with connect(self.home) as connection:
            ensure_raw(connection)
            connection.execute(CREATE_PLAN)

    def plan(self, operations: Sequence[Operation]) -> None:
        with connect(self.home) as connection:
            connection.execute("delete from kairos.sync_plan")
            if not operations:
                return
            rows = self.home.root / "rows.jsonl"
            with rows.open("w") as file:
                for o in operations:
                    row = {name: getattr(o, name, None) for name in COLUMNS}
                    row |= {"payload": o.payload_text, "scope": o.scope_text}
                    file.write(json.dumps(row, default=lambda at: str(naive(at))) + "\n")
            connection.execute(
                f"insert into kairos.sync_plan by name select {', '.join(COLUMNS)} "
                f"from read_json('{rows}', columns = {TYPES})"
            )

    def caps(self, *rows: tuple[Any, ...]) -> None:
        with connect(self.home) as connection:
            connection.execute("delete from kairos.caps_in_force")
            connection.executemany(
                "insert into kairos.caps_in_force values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [(*row, None, None, None) for row in rows],
            )

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        with connect(self.home) as connection:
            return connection.execute(sql).fetchall()

    def sync(
        self,
        destination: str = "webhook",
        *,
        stop: threading.Event | None = None,
        ledger: Ledger | None = None,
        **options: Any,
    ) -> SyncReport:
        options = {"tuning": QUICK, **options}
        return sync(
            self.home,
            destination,
            self.env,
            lambda: self.now,
            options=SyncOptions(**options),
            stop=stop,
            ledger=ledger,
        )

    def states(self) -> dict[str, str]:
        with Ledger.open(self.home.ledger_url) as ledger:
            return {row.idempotency_key: row.state for row in ledger.operations()}


def naive(instant: datetime | None) -> datetime | None:
    return None if instant is None else instant.replace(tzinfo=None)


def later(**parts: float) -> datetime:
    return NOW + timedelta(**parts)


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> CompiledProject:
    return compiled(tmp_path_factory.mktemp("compiled"))


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


@pytest.fixture
def line(tmp_path: Path, sandbox: Sandbox) -> Line:
    return Line(tmp_path / "home", sandbox)


@pytest.fixture(scope="session")
def postgres_database() -> Iterator[str]:
    """A database on a real server, for this process alone.

    The locks by which owners are known to live are those of a whole database, and the tests of
    every process call their owners by the same names.
    """
    name = f"kairos_{uuid.uuid4().hex[:12]}"
    try:
        with psycopg.connect(POSTGRES, connect_timeout=2, autocommit=True) as connection:
            connection.execute(f"create database {name}")
    except psycopg.OperationalError:
        pytest.skip(f"no PostgreSQL server at {POSTGRES} (KAIROS_TEST_POSTGRES names another)")
    yield sa.make_url(POSTGRES).set(database=name).render_as_string(hide_password=False)
    with psycopg.connect(POSTGRES, autocommit=True) as connection:
        connection.execute(f"drop database {name} with (force)")


@pytest.fixture
def postgres_url(postgres_database: str) -> Iterator[str]:
    """A schema of its own."""
    schema = f"kairos_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(postgres_database, autocommit=True) as connection:
        connection.execute(f"create schema {schema}")
    separator = "&" if "?" in postgres_database else "?"
    url = postgres_database.replace("postgresql://", "postgresql+psycopg://", 1)
    yield f"{url}{separator}options=-csearch_path%3D{schema}"
    with psycopg.connect(postgres_database, autocommit=True) as connection:
        connection.execute(f"drop schema {schema} cascade")


@pytest.fixture(params=["sqlite", "postgres"])
def ledger_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'ledger.db'}"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Ledger]:
    with Ledger.open(ledger_url) as opened:
        yield opened


@pytest.fixture
def any_line(tmp_path: Path, sandbox: Sandbox, ledger_url: str) -> Line:
    """A line on each of the two databases."""
    return Line(tmp_path / "home", sandbox, ledger_url)

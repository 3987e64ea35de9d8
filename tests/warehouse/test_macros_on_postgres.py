"""Macros that have a form for PostgreSQL say there what they say on DuckDB."""

import os
from types import SimpleNamespace

import duckdb
import jinja2
import psycopg
import pytest

from warehouse.home import PROJECT

POSTGRES = os.environ.get("KAIROS_TEST_POSTGRES", "postgresql://postgres@127.0.0.1:5432/test")
AT = "timestamp '2026-01-05 09:00:00.123'"
CASES = [
    ("time", f'epoch_ms("{AT}")'),
    ("time", "epoch_ms(\"timestamp '1969-12-31 23:59:59.999'\")"),
    ("time", f'epoch_ms(add_seconds("{AT}", "-1.5"))'),
    ("iso_text", f'iso_text("{AT}")'),
    ("json", """json_text("'{\\"a\\": {\\"b\\": \\"x\\"}}'", "a.b")"""),
    ("json", """json_text("'{\\"a\\": 1.25}'", "a")"""),
    ("json", """json_text("'{}'", "a")"""),
    ("json", """try_number("'1e3'")"""),
    # not a constant, which PostgreSQL would cast before it looks at the condition
    ("json", """try_number("('none' || left(cast(now() as varchar), 0))")"""),
    ("lists", """each_json_text("'[\\"a, b\\"]'")"""),
    ("regexp_found", """regexp_found("'Googlebot/2.1'", "'bot'")"""),
    ("regexp_captured", """regexp_captured("'a=12;'", "'a=([0-9]+)'")"""),
]


def rendered(file: str, call: str, engine: str) -> str:
    environment = jinja2.Environment(extensions=["jinja2.ext.do"])
    source = (PROJECT / "macros" / f"{file}.sql").read_text() + "{{ " + call + " }}"

    def dispatch(name: str):
        module = environment.from_string(source.rpartition("{{")[0]).make_module(context)
        return getattr(module, f"{engine}__{name}", None) or getattr(module, f"default__{name}")

    context = {
        "adapter": SimpleNamespace(dispatch=dispatch),
        "return": lambda value: value,
        "dbt": SimpleNamespace(type_string=lambda: "text", type_float=lambda: "double precision"),
    }
    return environment.from_string(source).render(context).strip()


@pytest.fixture(scope="module")
def postgres():
    try:
        with psycopg.connect(POSTGRES, connect_timeout=3) as connection:
            yield connection
    except psycopg.OperationalError as error:
        pytest.skip(f"no PostgreSQL: {error}")


@pytest.mark.parametrize(("file", "call"), CASES)
def test_a_macro_says_the_same_on_both_engines(postgres, file: str, call: str) -> None:
    [here] = duckdb.connect().execute("select " + rendered(file, call, "duckdb")).fetchone()
    with postgres.transaction(force_rollback=True):
        [there] = postgres.execute("select " + rendered(file, call, "postgres")).fetchone()
    assert str(there) == str(here)

"""The warehouse, its raw tables, the dbt project and the ledger."""

import duckdb
import sqlalchemy as sa

from kairos.doctor.check import Check, fail, ok, warn
from warehouse.connection import connect, holder
from warehouse.errors import WarehouseLocked, WarehouseMissing
from warehouse.home import Home
from warehouse.landing import ensure_raw
from warehouse.transform import parse

RAW_COLUMNS = """
    select table_name || '.' || column_name
    from information_schema.columns
    where table_schema = 'raw'
"""


def check_warehouse(home: Home) -> Check:
    """See that the warehouse opens, and that it has every raw table; name who holds it."""
    try:
        with connect(home, read_only=True, patience_seconds=0) as connection:
            missing = sorted(_expected_columns() - _columns(connection))
    except WarehouseMissing as error:
        return warn("warehouse", str(error))
    except WarehouseLocked as error:
        return warn("warehouse", str(error))
    tables = {column.split(".")[0] for column in missing}
    if len(tables) == len({column.split(".")[0] for column in _expected_columns()}):
        return warn("warehouse", f"{home.warehouse} has no raw tables yet: run `kairos build`")
    if missing:
        return fail(
            "warehouse",
            f"{home.warehouse} lacks {', '.join(missing)}: it was made by another version; "
            "move it away and ingest again",
        )
    size = home.warehouse.stat().st_size / 2**20
    return ok("warehouse", f"{home.warehouse}, {size:,.1f} MiB, every raw table is there")


def check_writer(home: Home) -> Check:
    """Say whether somebody is writing."""
    if name := holder(home):
        return warn("writer", f"{name} is writing: other commands wait for it")
    return ok("writer", "nobody is writing")


def check_project(home: Home) -> Check:
    """See that the dbt project parses."""
    manifest = parse(home)
    counts = f"{len(manifest.nodes)} nodes, {len(manifest.sources)} sources"
    return ok("dbt", f"the project parses: {counts}")


def check_ledger(home: Home) -> Check:
    """See that the ledger opens; it is made when it is missing, as any delivery would."""
    from reverse_etl.ledger.store import Ledger

    with Ledger.open(home.ledger_url):
        shown = sa.make_url(home.ledger_url).render_as_string(hide_password=True)
    return ok("ledger", shown)


def _columns(connection: duckdb.DuckDBPyConnection) -> set[str]:
    return {row[0] for row in connection.execute(RAW_COLUMNS).fetchall()}


def _expected_columns() -> set[str]:
    with duckdb.connect(":memory:") as connection:
        ensure_raw(connection)
        return _columns(connection)

"""The warehouse, its raw tables, the dbt project and the ledger."""

import sqlalchemy as sa

from kairos.doctor.check import Check, ok, warn
from warehouse.connection import connect, holder
from warehouse.errors import WarehouseLocked, WarehouseMissing
from warehouse.home import Home
from warehouse.landing import expected_columns, raw_columns
from warehouse.transform import parse


def check_warehouse(home: Home) -> Check:
    """See that the warehouse opens, and that it has every raw table; name who holds it."""
    try:
        with connect(home, read_only=True, patience_seconds=0) as connection:
            missing = sorted(expected_columns().keys() - raw_columns(connection).keys())
    except WarehouseMissing as error:
        return warn("warehouse", str(error))
    except WarehouseLocked as error:
        return warn("warehouse", str(error))
    if len(missing) == len(expected_columns()):
        return warn("warehouse", f"{home.warehouse} has no raw tables yet: run `kairos build`")
    if missing:
        names = ", ".join(f"raw.{table}.{column}" for table, column in missing)
        return warn(
            "warehouse",
            f"{home.warehouse} was made by an older version and lacks {names}: run `kairos build`, "
            "which adds what is missing and keeps what is there",
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

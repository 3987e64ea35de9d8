"""A full resync: everything is said to a destination again, removals too."""

from collections.abc import Sequence
from datetime import datetime

from reverse_etl.ledger.store import Ledger
from reverse_etl.plan import require_plan
from reverse_etl.replica import replicate
from warehouse.clock import naive_utc
from warehouse.connection import connect
from warehouse.home import Home
from warehouse.transform import OnNode, build

MODELS = ("path:models/staging/ledger", "path:models/deliveries")
"""What the plan is made of, from the ledger on: views, too, know the instant of their build."""


def resync(
    home: Home,
    ledger: Ledger,
    destinations: Sequence[str],
    at: datetime,
    on_node: OnNode | None = None,
) -> None:
    """Plan again, for each destination, whatever it acknowledged of audiences and profiles so far.

    Who should be in an audience is added again, who left it is removed again, profiles are set
    again; messages are not sent again. The request is kept, so that a run that is cut short goes on
    where it stopped. The caller holds `writer(home)`. LedgerUnavailable while a run is delivering,
    KairosError before the first build, TransformationFailed where the plan cannot be built: the
    next build makes it then.
    """
    require_plan(home)
    ledger.require_idle()
    replicate(home, ledger, at)
    with connect(home) as connection:
        connection.executemany(
            "insert into raw.resyncs "
            "select $destination, coalesce(max(sequence), 0), $at, $at from raw.sync_operations",
            [{"destination": name, "at": naive_utc(at)} for name in destinations],
        )
    build(home, at, select=MODELS, on_node=on_node, unit_tests=False)

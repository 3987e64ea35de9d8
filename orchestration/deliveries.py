"""What the ledger knows, into the warehouse; what is planned, to every destination."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from orchestration.dbt import RECORDED, source_keys
from orchestration.surroundings import POOL, Surroundings, as_of, clock
from reverse_etl import destinations
from reverse_etl.errors import NotConfigured
from reverse_etl.ledger.retention import retention
from reverse_etl.ledger.store import Ledger
from reverse_etl.replica import replicate
from reverse_etl.sync import SyncReport, sync
from warehouse.connection import lock_timeout, writer

PLAN = dg.AssetKey("sync_plan")
GROUP = "deliveries"
REPLICATED = ("sync_", "resyncs")
"""What the names of the raw tables that deliveries fill begin with."""

CHECK = "needs_nobody"


def delivery_assets(manifest: Mapping[str, Any]) -> list[dg.AssetsDefinition]:
    """Return the ledger's replica, one sync for each destination, and the replica after them."""
    syncs = [sync_asset(name) for name in destinations.names()]
    return [replica_asset(manifest), *syncs, recorded_asset([asset.key for asset in syncs])]


def replica_asset(manifest: Mapping[str, Any]) -> dg.AssetsDefinition:
    """Bring what was delivered since the last run into the warehouse, before anybody decides.

    What platforms reported meanwhile goes into the ledger first, so it comes after the landing.
    """
    keys = [key for prefix in REPLICATED for key in source_keys(manifest, prefix)]
    feedback = source_keys(manifest, "feedback")

    @dg.multi_asset(
        name="ledger_replica",
        specs=[
            dg.AssetSpec(key, deps=feedback, group_name=GROUP, kinds={"duckdb"}) for key in keys
        ],
        pool=POOL,
    )
    def ledger_replica(
        context: dg.AssetExecutionContext, surroundings: dg.ResourceParam[Surroundings]
    ) -> Any:
        copied = _replicate(context, surroundings, "ledger_replica")
        for key in keys:
            yield dg.MaterializeResult(asset_key=key, metadata={"changes_copied": copied})

    return ledger_replica


def recorded_asset(syncs: list[dg.AssetKey]) -> dg.AssetsDefinition:
    """Bring what the syncs just did into the warehouse, for the outcomes to count."""

    @dg.asset(key=RECORDED, deps=syncs, group_name=GROUP, kinds={"duckdb"}, pool=POOL)
    def deliveries_recorded(
        context: dg.AssetExecutionContext, surroundings: dg.ResourceParam[Surroundings]
    ) -> dg.MaterializeResult:
        copied = _replicate(context, surroundings, "deliveries_recorded")
        return dg.MaterializeResult(metadata={"changes_copied": copied})

    return deliveries_recorded


def sync_asset(name: str) -> dg.AssetsDefinition:
    """Deliver what is planned for one destination; its trouble is told, and stops nobody else."""

    @dg.asset(
        key=["sync", name],
        deps=[PLAN],
        group_name=GROUP,
        description=f"What is planned for {name}, delivered.",
        check_specs=[
            dg.AssetCheckSpec(
                CHECK,
                asset=["sync", name],
                description="Nothing was refused, is in doubt, held back or left undone.",
            )
        ],
        pool=POOL,
    )
    def deliver(
        context: dg.AssetExecutionContext, surroundings: dg.ResourceParam[Surroundings]
    ) -> dg.MaterializeResult:
        step = f"sync/{name}"
        surroundings.listener.started(step)
        outcome = _deliver(context, surroundings, name)
        surroundings.listener.finished(step, outcome)
        return _told(outcome)

    return deliver


def _deliver(
    context: dg.AssetExecutionContext, surroundings: Surroundings, name: str
) -> SyncReport | NotConfigured | Exception:
    try:
        return sync(
            surroundings.home,
            name,
            surroundings.env,
            clock(as_of(context)),
            options=surroundings.options,
        )
    except NotConfigured as missing:
        return missing
    except Exception as error:
        # one destination must not stop the others, whatever goes wrong: it is told, in full here
        context.log.exception(f"sync/{name} could not do its work")
        return error


def _told(outcome: SyncReport | Exception) -> dg.MaterializeResult:
    if isinstance(outcome, NotConfigured):
        metadata: dict[str, Any] = {"status": "skipped", "reason": str(outcome)}
        return _result(metadata, passed=True)
    if isinstance(outcome, Exception):
        reason = f"{type(outcome).__name__}: {outcome}"
        return _result({"status": "failed", "reason": reason}, passed=False)
    metadata = {
        "status": outcome.status,
        "run_id": outcome.run_id,
        "planned": outcome.planned_count,
        "requests": outcome.request_count,
        "not_attempted": outcome.not_attempted,
        **{f"state/{state}": count for state, count in outcome.counts.items()},
    }
    reasons = [*filter(None, [outcome.problem]), *outcome.warnings]
    if reasons:
        metadata["reason"] = "; ".join(reasons)
    return _result(metadata, passed=not outcome.needs_a_person)


def _result(metadata: Mapping[str, Any], passed: bool) -> dg.MaterializeResult:
    check = dg.AssetCheckResult(
        check_name=CHECK, passed=passed, severity=dg.AssetCheckSeverity.WARN
    )
    return dg.MaterializeResult(metadata=metadata, check_results=[check])


def _replicate(context: dg.AssetExecutionContext, surroundings: Surroundings, step: str) -> int:
    home = surroundings.home.ensure()
    with (
        surroundings.step(step),
        writer(home, lock_timeout(surroundings.env)),
        Ledger.open(home.ledger_url) as ledger,
    ):
        keep = retention(surroundings.env)
        copied = replicate(home, ledger, clock(as_of(context))(), keep)
    surroundings.listener.finished(step, copied)
    return copied

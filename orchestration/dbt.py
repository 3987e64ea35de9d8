"""Every dbt seed and model as an asset, and every dbt test as a check of one."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, dbt_assets

from orchestration.surroundings import POOL, Surroundings, as_of
from warehouse.connection import connect, lock_timeout, writer
from warehouse.home import Home
from warehouse.landing import ensure_raw
from warehouse.transform import (
    Node,
    Transformation,
    TransformationFailed,
    dbt,
    parse,
)

UNIQUE_ID = "dagster_dbt/unique_id"
"""The metadata in which a specification carries the dbt node that it stands for."""

OUTCOMES = "path:models/outcomes"
HISTORY = ("stg_ledger__sync_operations", "sync_operations", "sync_runs", "sync_state")
"""Built before the plan, which is made against them, and again when the syncs have changed them."""

RECORDED = dg.AssetKey("deliveries_recorded")
"""What the syncs did, back in the warehouse: outcomes read it."""

Event = dg.MaterializeResult | dg.AssetCheckResult


class Translator(DagsterDbtTranslator):
    """Places the outcomes after the syncs: dbt cannot know, for it reads the ledger as a source."""

    def get_asset_spec(self, manifest: Mapping[str, Any], unique_id: str, project: Any) -> Any:
        """Return what Dagster knows of a node; models of outcomes wait for `RECORDED`."""
        spec = super().get_asset_spec(manifest, unique_id, project)
        if spec.group_name != "outcomes":
            return spec
        return spec.replace_attributes(deps=[*spec.deps, RECORDED])


@dataclass(frozen=True)
class Project:
    """The dbt project, parsed once for everybody who reads it."""

    manifest: Mapping[str, Any]
    """As plain data, for Dagster."""
    parsed: Any
    """As dbt's own object, which spares dbt from parsing again."""


def prepare(home: Home) -> Project:
    """Parse the dbt project."""
    parsed = parse(home)
    return Project(parsed.writable_manifest().to_dict(omit_none=False), parsed)


def source_keys(manifest: Mapping[str, Any], prefix: str) -> list[dg.AssetKey]:
    """Return the keys of the raw tables whose names begin with `prefix`."""
    return [
        dg.AssetKey([source["source_name"], source["name"]])
        for source in manifest["sources"].values()
        if source["name"].startswith(prefix)
    ]


def model_assets(project: Project) -> list[dg.AssetsDefinition]:
    """Return the models in two steps: up to the plan, and what is made of the deliveries."""

    @dbt_assets(
        name="models",
        manifest=project.manifest,
        dagster_dbt_translator=Translator(),
        exclude=OUTCOMES,
        pool=POOL,
    )
    def models(
        context: dg.AssetExecutionContext, surroundings: dg.ResourceParam[Surroundings]
    ) -> Iterator[Event]:
        # a test that also reads outcomes waits for them
        everything = ["--exclude", OUTCOMES, "--indirect-selection", "cautious"]
        yield from build(context, surroundings, project, everything)

    @dbt_assets(
        name="outcomes",
        manifest=project.manifest,
        dagster_dbt_translator=Translator(),
        select=OUTCOMES,
        pool=POOL,
    )
    def outcomes(
        context: dg.AssetExecutionContext, surroundings: dg.ResourceParam[Surroundings]
    ) -> Iterator[Event]:
        yield from build(context, surroundings, project, after_the_syncs(project.manifest))

    return [models, outcomes]


def build(
    context: dg.AssetExecutionContext,
    surroundings: Surroundings,
    project: Project,
    everything: Sequence[str],
) -> Iterator[Event]:
    """Build and test what is selected, in this process, and say of each node what became of it.

    `everything` is the selection of a whole step. Raises `TransformationFailed` after having told
    of all that did succeed.
    """
    step = context.op_execution_context.op.name
    arguments = ["build", "--exclude-resource-type", "unit_test"]
    arguments += _some(context) or everything
    with surroundings.step(step):
        try:
            done = _run(surroundings, project, arguments, as_of(context))
        except TransformationFailed as error:
            yield from _events(context, error.transformation.nodes)
            raise
        yield from _events(context, done.nodes)
    surroundings.listener.finished(step, done)


def _run(
    surroundings: Surroundings, project: Project, arguments: Sequence[str], now: datetime | None
) -> Transformation:
    home = surroundings.home
    with writer(home, lock_timeout(surroundings.env)):
        with connect(home) as connection:
            ensure_raw(connection)
        return dbt(
            home,
            arguments,
            as_of=now,
            on_node=surroundings.listener.progressed,
            manifest=project.parsed,
        )


def after_the_syncs(manifest: Mapping[str, Any]) -> list[str]:
    """Select the outcomes with every test that reads one, and the history that they read.

    Tests of the history ran before the syncs; some compare it with the plan, which by now is done.
    """
    nodes = manifest["nodes"].values()
    outcomes = {
        node["unique_id"]
        for node in nodes
        if node["resource_type"] == "model" and node["fqn"][1] == "outcomes"
    }
    chosen = [
        node
        for node in nodes
        if node["unique_id"] in outcomes
        or (node["resource_type"] == "model" and node["name"] in HISTORY)
        or (node["resource_type"] == "test" and outcomes & {*node["depends_on"]["nodes"]})
    ]
    return _exactly(node["unique_id"] for node in chosen)


def _some(context: dg.AssetExecutionContext) -> list[str]:
    """Select nodes one by one when a person asked for some of them; else nothing."""
    if not context.is_subset:
        return []
    definition = context.assets_def
    specs = [definition.specs_by_key[key] for key in context.selected_asset_keys]
    checks = [definition.get_spec_for_check_key(key) for key in context.selected_asset_check_keys]
    return _exactly(spec.metadata[UNIQUE_ID] for spec in [*specs, *checks])


def _exactly(unique_ids: Iterable[str]) -> list[str]:
    names = [unique_id.split(".")[2] for unique_id in unique_ids]
    return ["--select", *sorted(names), "--indirect-selection", "empty"]


def _events(context: dg.AssetExecutionContext, nodes: Sequence[Node]) -> Iterator[Event]:
    definition = context.assets_def
    assets = {spec.metadata[UNIQUE_ID]: spec.key for spec in definition.specs}
    checks = {spec.metadata[UNIQUE_ID]: spec.key for spec in definition.check_specs}
    for node in nodes:
        if node.unique_id in assets and node.status == "success":
            yield dg.MaterializeResult(
                asset_key=assets[node.unique_id],
                metadata={"seconds": round(node.elapsed_seconds, 3)},
            )
        elif node.unique_id in checks and node.status != "skipped":
            yield _check_result(checks[node.unique_id], node)
        elif node.is_failed:
            context.log.error(f"{node.kind} {node.name} ({node.path}): {node.message}")


def _check_result(key: dg.AssetCheckKey, node: Node) -> dg.AssetCheckResult:
    is_warning = node.status == "warn"
    return dg.AssetCheckResult(
        asset_key=key.asset_key,
        check_name=key.name,
        passed=node.status == "pass",
        severity=dg.AssetCheckSeverity.WARN if is_warning else dg.AssetCheckSeverity.ERROR,
        metadata={
            "failing_rows": node.failure_count,
            "query": node.compiled_path,
            "seconds": round(node.elapsed_seconds, 3),
        },
    )

"""The models as plain SQL, run without dbt: for replays, and for tests of many small runs."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb

from warehouse.clock import parse_instant, warehouse_text
from warehouse.home import Home
from warehouse.landing import ensure_raw
from warehouse.transform import dbt, parse

SCHEMA = "kairos"
DECISIONS = "trigger_decisions"
FORGET_GATES = f"""
    delete from {SCHEMA}.decision_gates as gates
    where not exists (
        select 1 from {SCHEMA}.{DECISIONS} as decisions
        where decisions.decision_id = gates.decision_id and decisions.decided_at = gates.decided_at
    )
"""
"""What `forget_gates_without_decision` does before gates are added: hooks are not compiled."""
SOME_INSTANT = parse_instant("1999-12-31T23:59:59.999999Z")
"""Compiled in place of "now", and replaced when a model runs."""


@dataclass(frozen=True)
class Model:
    """One model or seed, as dbt compiled it."""

    name: str
    kind: str
    sql: str
    materialized: str
    depends_on: frozenset[str]
    seed_path: Path | None
    column_types: tuple[tuple[str, str], ...]
    """Of a seed as configured, of a model as its contract says."""
    strategy: str = ""
    """How an incremental model replaces what changed; empty for every other one."""
    instant: str = ""
    """The column by which a model of changed sessions tells how old a row may be."""

    @property
    def says_now(self) -> bool:
        """Whether its own SQL depends on when it runs."""
        return warehouse_text(SOME_INSTANT) in self.sql

    def statement(self, as_of: datetime) -> str:
        """Return the SQL that creates the relation, or adds to it, with `as_of` as "now"."""
        sql = self.sql.replace(warehouse_text(SOME_INSTANT), warehouse_text(as_of))
        relation = f"{SCHEMA}.{self.name}"
        if self.materialized == "incremental":
            return f"insert into {relation} by name {sql}"
        return f"create or replace {self.materialized} {relation} as {sql}"


@dataclass(frozen=True)
class CompiledProject:
    """The compiled models, in an order in which each one follows what it reads."""

    models: dict[str, Model]

    def between(self, inputs: Collection[str], outputs: Collection[str]) -> list[Model]:
        """Return the models that lead from the inputs, which are left out, to the outputs."""
        wanted: set[str] = set()
        pending = list(outputs)
        while pending:
            name = pending.pop()
            if name in wanted or name in inputs or name not in self.models:
                continue
            wanted.add(name)
            pending += self.models[name].depends_on
        return [model for name, model in self.models.items() if name in wanted]


def compile_project(
    home: Home, incremental: bool = False, variables: Mapping[str, object] | None = None
) -> CompiledProject:
    """Compile every model as it is on a warehouse that has already decided something.

    `incremental` gives each incremental model of the line in the form that narrows what it reads;
    the state that it narrows by is then looked up by the SQL itself, not by dbt.
    `home` is a scratch place: its warehouse is made here, and holds nothing. `variables` go before
    those of `dbt_project.yml`.
    """
    home.ensure()
    with duckdb.connect(str(home.warehouse)) as connection:
        ensure_raw(connection)
        connection.execute(f"create schema if not exists {SCHEMA}")
        # that it exists is all that the models ask at compile time
        connection.execute(f"create table if not exists {SCHEMA}.{DECISIONS} (decision_id varchar)")
    # dbt fills the compiled SQL into the manifest that it is given
    manifest = parse(home)
    variables = {**(variables or {}), "is_state_looked_up": incremental}
    dbt(home, ["compile"], as_of=SOME_INSTANT, manifest=manifest, variables=variables)
    nodes = manifest.writable_manifest().to_dict()
    return CompiledProject(_in_order(_read(nodes, home.warehouse.stem)))


def run_models(
    connection: duckdb.DuckDBPyConnection, models: Iterable[Model], as_of: datetime
) -> None:
    """Build the models in their order; incremental ones add to tables that are there."""
    for model in models:
        if model.name == "decision_gates":
            connection.execute(FORGET_GATES)
        connection.execute(model.statement(as_of))


def create_histories(connection: duckdb.DuckDBPyConnection, models: Iterable[Model]) -> None:
    """Create, without rows, the tables to which incremental models add, unless they are there."""
    for model in models:
        if model.materialized == "incremental":
            columns = ", ".join(f"{name} {kind}" for name, kind in model.column_types)
            connection.execute(f"create table if not exists {SCHEMA}.{model.name} ({columns})")


def load_seed(connection: duckdb.DuckDBPyConnection, model: Model, path: Path | None) -> None:
    """Read a seed's CSV, or another of the same columns, with the seed's column types."""
    types = ", ".join(f"'{name}': '{kind}'" for name, kind in model.column_types)
    options = f", types = {{{types}}}" if types else ""
    connection.execute(
        f"create or replace table {SCHEMA}.{model.name} as "
        f"select * from read_csv('{path}', header = true, nullstr = ''{options})"
    )


def _read(manifest: dict, database: str) -> dict[str, Model]:
    models = {}
    for node in manifest["nodes"].values():
        if node["resource_type"] not in ("model", "seed"):
            continue
        is_seed = node["resource_type"] == "seed"
        models[node["name"]] = Model(
            name=node["name"],
            kind=node["resource_type"],
            sql=(node.get("compiled_code") or "").replace(f'"{database}".', ""),
            materialized=_materialized(node["config"]),
            depends_on=frozenset(
                parent.rsplit(".", 1)[-1]
                for parent in node["depends_on"].get("nodes", ())
                if not parent.startswith("source.")
            ),
            seed_path=Path(node["root_path"]) / node["original_file_path"] if is_seed else None,
            strategy=_strategy(node["config"]),
            instant=node["config"].get("instant") or "",
            column_types=tuple(
                node["config"].get("column_types", {}).items()
                if is_seed
                else ((c["name"], c["data_type"] or "varchar") for c in node["columns"].values())
            ),
        )
    return models


def _strategy(config: dict) -> str:
    is_incremental = config["materialized"] == "incremental"
    return config.get("incremental_strategy") or "" if is_incremental else ""


def _materialized(config: dict) -> str:
    """Return how to build it here: what is incremental only to save work is a table."""
    is_history = config.get("full_refresh") is False
    return (
        "table"
        if config["materialized"] == "incremental" and not is_history
        else (config["materialized"])
    )


def _in_order(models: dict[str, Model]) -> dict[str, Model]:
    ordered: dict[str, Model] = {}

    def place(name: str) -> None:
        if name in ordered or name not in models:
            return
        for parent in sorted(models[name].depends_on):
            place(parent)
        ordered[name] = models[name]

    for name in sorted(models):
        place(name)
    return ordered

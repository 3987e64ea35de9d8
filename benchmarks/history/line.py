"""The models from events to scores, run by dbt as `kairos run` does, with the time of each."""

import os
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from warehouse.clock import warehouse_text
from warehouse.home import PROJECT, Home
from warehouse.transform import parse

WORDS = ("staging", "events", "sessions", "signals", "scores")


@dataclass
class LineRun:
    """What one run of the line cost, as dbt's adapter saw it."""

    sql_seconds: float = 0.0
    """Sum over all statements of all threads."""
    statement_count: int = 0
    model_seconds: Counter[str] = field(default_factory=Counter)
    """From start to end of each node."""
    model_sql_seconds: Counter[str] = field(default_factory=Counter)
    """Of the statements of each node; under `` those of no node."""


def prepare(home: Home) -> None:
    """Parse the project and load its configuration, which is no part of what is measured."""
    _invoke(home, ["seed"], LineRun())


def run_line(home: Home, as_of: datetime, full_refresh: bool) -> LineRun:
    """Build every model of the first half of the line. Raises SystemExit when one fails."""
    cost = LineRun()
    args = ["run", *(["--full-refresh"] if full_refresh else [])]
    args += ["--select", *(f"path:models/{word}" for word in WORDS)]
    args += ["--vars", f'{{as_of: "{warehouse_text(as_of)}"}}']
    _invoke(home, args, cost)
    return cost


def _invoke(home: Home, args: list[str], cost: LineRun) -> None:
    from dbt.cli.main import dbtRunner

    def note(event: Any) -> None:
        node = getattr(event.data, "node_info", None)
        if event.info.name == "SQLQueryStatus":
            cost.sql_seconds += event.data.elapsed
            cost.statement_count += 1
            cost.model_sql_seconds[node.node_name] += event.data.elapsed
        elif event.info.name == "LogModelResult":
            cost.model_seconds[node.node_name] += event.data.execution_time

    home.ensure()
    manifest = parse(home)
    # this process is here for nothing else: what it is told may stay in its environment
    os.environ["KAIROS_WAREHOUSE"] = str(home.warehouse)
    command = [*args, "--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT)]
    command += ["--target-path", str(home.root / "target"), "--log-path", str(home.root / "logs")]
    command += ["--log-level", "none", "--log-level-file", "none", "--no-write-json"]
    result = dbtRunner(manifest=manifest, callbacks=[note]).invoke(command)
    if not result.success:
        failed = [
            f"{each.node.name}: {each.message}"
            for each in getattr(result.result, "results", None) or ()
            if str(each.status) in ("error", "fail")
        ]
        raise SystemExit("\n".join(failed) or str(result.exception))

"""dbt, run in this process, and never left holding the warehouse file."""

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from filelock import FileLock

from warehouse.clock import warehouse_text
from warehouse.connection import connect
from warehouse.errors import KairosError
from warehouse.home import PROJECT, Home
from warehouse.landing import ensure_raw

FAILED = ("error", "fail", "runtime error")

OnNode = Callable[[int, int, str], None]
"""Called as (nodes done, nodes in all, name of the node that finished)."""


@dataclass(frozen=True)
class Node:
    """What became of one seed, model or test."""

    unique_id: str
    kind: str
    name: str
    path: str
    compiled_path: str
    status: str
    message: str
    failure_count: int
    elapsed_seconds: float

    @property
    def is_failed(self) -> bool:
        """Whether it needs a person."""
        return self.status in FAILED


@dataclass(frozen=True)
class Transformation:
    """What one dbt command did."""

    nodes: tuple[Node, ...] = ()
    elapsed_seconds: float = 0.0

    @property
    def failed(self) -> list[Node]:
        """The nodes that need a person."""
        return [node for node in self.nodes if node.is_failed]

    @property
    def warned(self) -> list[Node]:
        """The tests that do not hold, and stop nothing."""
        return [node for node in self.nodes if node.status == "warn"]

    def count(self, kind: str | None = None, *statuses: str) -> int:
        """Count nodes, of one kind and of some statuses where they are given."""
        return sum(
            (kind is None or node.kind == kind) and (not statuses or node.status in statuses)
            for node in self.nodes
        )


class TransformationFailed(KairosError):
    """dbt could not build some nodes, or none at all."""

    def __init__(self, message: str, transformation: Transformation | None = None) -> None:
        """Keep what did succeed beside the message."""
        super().__init__(message)
        self.transformation = transformation or Transformation()


def build(
    home: Home,
    as_of: datetime | None = None,
    full_refresh: bool = False,
    select: Sequence[str] = (),
    on_node: OnNode | None = None,
    unit_tests: bool = True,
) -> Transformation:
    """Build and test every model, or the selected ones, on whatever is in the warehouse.

    Unit tests bring rows of their own: where only data has changed, they can say nothing new.
    The caller holds `writer(home)`. Raises `TransformationFailed`, with what succeeded.
    """
    with connect(home) as connection:
        ensure_raw(connection)
    args = ["build", *(["--full-refresh"] if full_refresh else [])]
    if select:
        args += ["--select", *select]
    if not unit_tests:
        args += ["--exclude-resource-type", "unit_test"]
    return dbt(home, args, as_of=as_of, on_node=on_node)


def parse(home: Home) -> Any:
    """Parse the dbt project, or what has changed in it, and return dbt's manifest.

    dbt parses all of it again whenever a variable or the path of the warehouse differs from the
    last time, which every run would. So this parses without variables and with a path that only
    keeps the name of the file, which dbt takes for the name of the database; one cache, below
    `target`, serves every home. Raises `TransformationFailed` for a project that does not parse.
    """
    from dbt.cli.main import dbtRunner

    folder = PROJECT / "target" / home.warehouse.stem
    folder.mkdir(parents=True, exist_ok=True)
    command = ["parse", "--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT)]
    command += ["--target-path", str(folder), "--log-path", str(folder), "--log-level", "none"]
    command += ["--no-write-json"]
    with (
        FileLock(folder / ".lock"),
        _environment(KAIROS_WAREHOUSE=str(folder / home.warehouse.name)),
    ):
        _forget_other_macros(folder)
        result = dbtRunner().invoke(command)
    _read(command, result)
    return result.result


def _forget_other_macros(folder: Path) -> None:
    """Drop what dbt kept of a parse with other macros.

    A model may come after another one because a macro says so, and dbt (1.11) may keep what it
    read of a model when such a macro changes: then it refuses to build it, a dependency short.
    """
    digest = sha256()
    for path in sorted((PROJECT / "macros").rglob("*.sql")):
        digest.update(path.read_bytes())
    parsed_with = folder / "macros.sha256"
    if not parsed_with.exists() or parsed_with.read_text() != digest.hexdigest():
        (folder / "partial_parse.msgpack").unlink(missing_ok=True)
        parsed_with.write_text(digest.hexdigest())


def dbt(
    home: Home,
    args: Sequence[str],
    as_of: datetime | None = None,
    on_node: OnNode | None = None,
    manifest: Any = None,
    variables: Mapping[str, object] | None = None,
) -> Transformation:
    """Run one dbt command on the warehouse of `home`; `as_of` is "now" for every model.

    `manifest` spares another parse where the caller has just parsed the project; `variables` are
    dbt's own, beside `as_of`.
    Raises `TransformationFailed` that names what failed, why and in which file.
    """
    from dbt.cli.main import dbtRunner

    home.ensure()
    manifest = manifest or parse(home)
    command = [*args, "--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT)]
    command += ["--target-path", str(home.root / "target"), "--log-path", str(home.root / "logs")]
    command += ["--log-level", "none", "--log-level-file", "info", "--no-write-json"]
    variables = dict(variables or {})
    if as_of is not None:
        variables["as_of"] = warehouse_text(as_of)
    if variables:
        command += ["--vars", json.dumps(variables)]
    progress = _Progress(on_node)
    with _environment(KAIROS_WAREHOUSE=str(home.warehouse)), _closed_afterwards():
        result = dbtRunner(manifest=manifest, callbacks=[progress]).invoke(command)
    return _read(args, result)


@dataclass
class _Progress:
    """Turns dbt's events into "so many of so many"."""

    on_node: OnNode | None
    finished: set[str] = field(default_factory=set)
    total: int = 0

    def __call__(self, event: Any) -> None:
        if self.on_node is None:
            return
        if event.info.name in ("LogStartLine", "LogModelResult", "LogTestResult", "LogSeedResult"):
            self.total = getattr(event.data, "total", None) or self.total
        elif event.info.name == "NodeFinished":
            node = event.data.node_info
            self.finished.add(node.unique_id)
            self.on_node(len(self.finished), max(self.total, len(self.finished)), node.node_name)


@contextmanager
def _environment(**values: str) -> Iterator[None]:
    """Lend dbt some variables: its profile can read nothing else."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def _closed_afterwards() -> Iterator[None]:
    """Close what dbt leaves open, else nobody can even read the file while this process lives."""
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager

    try:
        yield
    finally:
        DuckDBConnectionManager.close_all_connections()


def _read(args: Sequence[str], result: Any) -> Transformation:
    outcome = result.result
    nodes = tuple(_node(node) for node in getattr(outcome, "results", None) or ())
    done = Transformation(nodes, getattr(outcome, "elapsed_time", None) or 0.0)
    if result.success:
        return done
    if done.failed:
        raise TransformationFailed(_describe(args[0], done), done)
    if isinstance(result.exception, KeyboardInterrupt):
        # dbt hands it over as a result
        raise KeyboardInterrupt from result.exception
    why = str(result.exception or "no reason was given").strip()
    raise TransformationFailed(f"dbt {args[0]} could not start: {why}", done)


def _node(outcome: Any) -> Node:
    node = outcome.node
    return Node(
        unique_id=node.unique_id,
        kind=str(node.resource_type),
        name=node.name,
        path=node.original_file_path,
        compiled_path=getattr(node, "compiled_path", None) or "",
        status=str(outcome.status),
        message=(outcome.message or "").strip(),
        failure_count=outcome.failures or 0,
        elapsed_seconds=outcome.execution_time,
    )


def _describe(command: str, done: Transformation) -> str:
    lines = [f"dbt {command}: {len(done.failed)} of {len(done.nodes)} nodes failed"]
    lines += [f"  {node.kind} {node.name} ({node.path}): {node.message}" for node in done.failed]
    if skipped := done.count(None, "skipped"):
        lines.append(f"  {skipped} nodes that read from them were skipped")
    return "\n".join(lines)

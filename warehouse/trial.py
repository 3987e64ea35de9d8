"""Files that stand in for a seed while history is decided again: checked before anything runs."""

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import duckdb
import yaml

from warehouse.compiled import CompiledProject, Model
from warehouse.connection import sql_text
from warehouse.errors import KairosError
from warehouse.home import PROJECT

NAMES = ("signal_name", "trigger_name")
"""Columns whose values must be ones of the seed itself: no model reads any other."""


def check_trials(project: CompiledProject, trials: Mapping[str, Path]) -> None:
    """Raise `KairosError` for the first file that is no seed's, naming the file, row and fix."""
    allowed = _allowed_values()
    for name, path in trials.items():
        model = project.models.get(name)
        if model is None or model.kind != "seed" or model.seed_path is None:
            raise KairosError(f"there is no seed {name!r}: see the files in seeds/")
        try:
            _check(model, model.seed_path, path, allowed.get(name, {}))
        except UnicodeDecodeError as error:
            raise KairosError(f"{path}: not a text in UTF-8 ({error}); save it as UTF-8") from error


def _check(model: Model, seed: Path, path: Path, allowed: Mapping[str, set[str]]) -> None:
    with seed.open(newline="") as file:
        reader = csv.DictReader(file)
        expected = list(reader.fieldnames or ())
        known = {column: set() for column in NAMES if column in expected}
        for row in reader:
            for column, values in known.items():
                values.add(row[column])
    with path.open(newline="") as file:
        reader = csv.DictReader(file)
        header = list(reader.fieldnames or ())
        if missing := [column for column in expected if column not in header]:
            raise KairosError(
                f"{path}, row 1: the column {missing[0]} is missing; "
                f"it needs the columns of seeds/{seed.name}: {','.join(expected)}"
            )
        if other := [column for column in header if column not in expected]:
            raise KairosError(
                f"{path}, row 1: there is no column {other[0]} in seeds/{seed.name}; "
                f"its columns are {','.join(expected)}"
            )
        for number, row in enumerate(reader, start=2):
            for column, values in {**known, **allowed}.items():
                if row[column] and row[column] not in values:
                    raise KairosError(
                        f"{path}, row {number}: {column} {row[column]!r} is none of "
                        f"{', '.join(sorted(values))}"
                    )
    _check_types(model, path)


def _check_types(model: Model, path: Path) -> None:
    types = ", ".join(f"'{name}': '{kind}'" for name, kind in model.column_types)
    try:
        with duckdb.connect() as connection:
            connection.execute(
                f"select * from read_csv({sql_text(str(path))}, header = true, nullstr = '', "
                f"types = {{{types}}})"
            ).fetchall()
    except duckdb.Error as error:
        [line, *rest] = str(error).splitlines()
        why = next((text for text in rest if text.startswith("Error when converting")), "")
        raise KairosError(f"{path}: {line} {why}".strip()) from error


def _allowed_values() -> dict[str, dict[str, set[str]]]:
    """Read, by seed and column, the values that the project's own tests accept."""
    found: dict[str, dict[str, set[str]]] = {}
    for path in sorted((PROJECT / "seeds").glob("*.yml")):
        for seed in yaml.safe_load(path.read_text()).get("seeds", ()):
            for column in seed.get("columns", ()):
                for values in _accepted(column):
                    found.setdefault(seed["name"], {})[column["name"]] = values
    return found


def _accepted(column: Mapping[str, Any]) -> Iterator[set[str]]:
    for test in column.get("data_tests", ()):
        if isinstance(test, dict) and "accepted_values" in test:
            yield {str(value) for value in test["accepted_values"]["arguments"]["values"]}

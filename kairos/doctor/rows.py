"""The rows of seeds/ that say what goes where."""

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from reverse_etl.model import Kind
from warehouse.errors import KairosError
from warehouse.home import PROJECT

AUDIENCE = re.compile(r"""\bref\(\s*['"](\w+)['"]\s*\)""")
TRUE = frozenset({"true", "t", "yes", "y", "on", "1"})


@dataclass(frozen=True)
class Subject:
    """What is mapped in one seed."""

    name: str
    """What the output calls it."""
    kind: Kind
    seed: str
    given: str
    """The column that names what our side gives."""


ATTRIBUTES = Subject("attributes", Kind.PROFILE, "profile_attributes", "attribute_name")
AUDIENCES = Subject("audiences", Kind.AUDIENCE, "audiences", "audience_key")
TRIGGERS = Subject("triggers", Kind.MOMENT, "triggers", "content_key")
SUBJECTS = (ATTRIBUTES, AUDIENCES, TRIGGERS)


@dataclass(frozen=True)
class Row:
    """A row of a seed."""

    place: str
    """File and line, as a person would look it up."""
    values: Mapping[str, str]

    def __getitem__(self, column: str) -> str:
        """Give what stands in a column."""
        return self.values[column]

    def says(self, column: str) -> bool:
        """Whether a column says yes."""
        return self.values[column].lower() in TRUE


@dataclass(frozen=True)
class Project:
    """Where seeds and models lie."""

    root: Path = PROJECT

    def rows(self, seed: str, *columns: str) -> list[Row]:
        """Read a seed; KairosError where that cannot be read or lacks one of these columns."""
        shown, path = f"seeds/{seed}.csv", self.root / "seeds" / f"{seed}.csv"
        try:
            with path.open(newline="", encoding="utf-8") as file:
                reader = csv.DictReader(file)
                if missing := [name for name in columns if name not in (reader.fieldnames or ())]:
                    raise KairosError(f"{shown} has no column {missing[0]}: add it")
                return [
                    Row(
                        f"{shown}, line {reader.line_num}",
                        {name: (row[name] or "").strip() for name in columns},
                    )
                    for row in reader
                ]
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise KairosError(f"{shown} cannot be read ({error}): mend it") from error

    def mapped(self, subject: Subject, destination: str | None = None) -> list[Row]:
        """Give the rows of one subject that are on, to one destination or to all."""
        columns = [subject.given, "destination", "is_enabled"]
        if subject is ATTRIBUTES:
            columns += ["destination_field", "is_hashed"]
        return [
            row
            for row in self.rows(subject.seed, *columns)
            if row.says("is_enabled") and destination in (None, row["destination"])
        ]

    def audiences(self) -> set[str]:
        """Give the audiences that models fill; KairosError where their list cannot be read."""
        return set(AUDIENCE.findall(self.model("audience_members")))

    def model(self, name: str) -> str:
        """Give the SQL of a model of deliveries; KairosError where there is none."""
        path = f"models/deliveries/{name}.sql"
        try:
            return (self.root / path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise KairosError(f"{path} cannot be read ({error}): mend it") from error

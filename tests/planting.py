"""Errors planted on purpose: a change of one place in the compiled SQL of one model."""

import re
from dataclasses import dataclass, replace

from warehouse.clock import warehouse_text
from warehouse.compiled import SOME_INSTANT, CompiledProject

NOW = f"timestamp '{warehouse_text(SOME_INSTANT)}'"


@dataclass(frozen=True)
class Planted:
    """A change of one place in the SQL of a model; how its lines are broken does not matter.

    `{now}` stands for the instant of the run.
    """

    rule: str
    model: str
    old: str
    new: str


def planted(project: CompiledProject, error: Planted) -> CompiledProject:
    """Return the project with the error in it."""
    model = project.models[error.model]
    old = error.old.replace("{now}", NOW)
    place = re.compile(r"\s+".join(re.escape(word) for word in old.split()))
    assert len(place.findall(model.sql)) == 1, f"{error.model} does not say once: {old}"
    new = error.new.replace("{now}", NOW)
    broken = replace(model, sql=place.sub(lambda _: new, model.sql))
    return replace(project, models={**project.models, error.model: broken})

"""The code location: all that Dagster knows of the line. It loads without any credential."""

import os

import dagster as dg

from orchestration.dbt import model_assets, prepare
from orchestration.deliveries import delivery_assets
from orchestration.ingest import landing_asset
from orchestration.line import landing_sensor, run_line, run_line_schedule
from orchestration.surroundings import Surroundings
from warehouse.home import Home


@dg.definitions
def defs() -> dg.Definitions:
    """Load the code location; only now is the dbt project parsed."""
    return definitions(Home.from_env(os.environ))


def definitions(home: Home) -> dg.Definitions:
    """Put the line together, for the warehouse of `home`."""
    project = prepare(home)
    return dg.Definitions(
        assets=[
            landing_asset(project.manifest),
            *model_assets(project),
            *delivery_assets(project.manifest),
        ],
        jobs=[run_line],
        schedules=[run_line_schedule],
        sensors=[landing_sensor],
        resources={"surroundings": surroundings},
        executor=dg.in_process_executor,
    )


@dg.resource(description="Where state lives, and the settings of destinations.")
def surroundings(_: dg.InitResourceContext) -> Surroundings:
    """Read the environment when a run starts."""
    return Surroundings(home=Home.from_env(os.environ), env=os.environ)

"""What every command is given: the environment and the home, read once at the border."""

from collections.abc import Mapping
from dataclasses import dataclass

import click

from warehouse.home import Home

NEEDS_A_PERSON = 3
"""Exit status: the work is done, but something in it needs a person."""


@dataclass(frozen=True)
class Invocation:
    """The surroundings of one call of `kairos`."""

    env: Mapping[str, str]
    home: Home


pass_invocation = click.make_pass_decorator(Invocation)

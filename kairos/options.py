"""Options and types of values that several commands share."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import click

from warehouse.clock import NoInstant, parse_instant


class Instant(click.ParamType):
    """An instant in ISO 8601; without an offset it is UTC."""

    name = "instant"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Turn text into an aware datetime in UTC."""
        if isinstance(value, datetime):
            return value
        try:
            return parse_instant(value)
        except NoInstant as error:
            self.fail(str(error), param, ctx)


class Duration(click.ParamType):
    """A length of time: a whole number of minutes, hours or days, as `15m`, `1h` or `2d`."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Turn text into a timedelta."""
        if isinstance(value, timedelta):
            return value
        units = {"m": "minutes", "h": "hours", "d": "days"}
        number, unit = value[:-1], units.get(value[-1:])
        if unit is None or not number.isdecimal() or not int(number):
            self.fail(f"{value!r} is no length of time: write it like 15m, 1h or 2d", param, ctx)
        return timedelta(**{unit: int(number)})


def as_of_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--as-of T`: the instant that is "now" for the whole command."""
    return click.option(
        "--as-of",
        type=Instant(),
        metavar="T",
        help='The instant that is "now" for the whole run (ISO 8601, UTC without an offset). '
        "Default: the real clock.",
    )(function)


def json_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--json`: one JSON document on stdout, for programs."""
    return click.option(
        "--json", "as_json", is_flag=True, help="Print one JSON document, for programs."
    )(function)

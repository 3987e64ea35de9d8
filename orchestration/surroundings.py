"""What the steps of the line are given: where state lives, the settings, and who listens."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

import dagster as dg

from reverse_etl.sync import SyncOptions
from warehouse.clock import parse_instant
from warehouse.home import Home

AS_OF = "kairos/as_of"
"""The tag of a run that holds its "now" in ISO 8601; a run without it follows the real clock."""

COMMAND = "kairos/command"
"""The tag of runs whose process is `kairos run` itself, which nobody but that process can end."""

POOL = "warehouse"
"""Whoever reads or writes the warehouse file waits here: it has one writer at a time."""


class Listener(Protocol):
    """Is told how the line gets on."""

    def started(self, step: str) -> None:
        """A step begins."""

    def progressed(self, done: float, total: float, text: str) -> None:
        """The step that is under way has done so much of it."""

    def finished(self, step: str, outcome: Any) -> None:
        """A step has done its work; what came of it."""

    def failed(self, step: str, error: Exception) -> None:
        """A step could not do its work."""


class Silence:
    """Listens and says nothing: Dagster's own log has it all."""

    def started(self, step: str) -> None:
        """Do nothing."""

    def progressed(self, done: float, total: float, text: str) -> None:
        """Do nothing."""

    def finished(self, step: str, outcome: Any) -> None:
        """Do nothing."""

    def failed(self, step: str, error: Exception) -> None:
        """Do nothing."""


@dataclass(frozen=True)
class Surroundings:
    """The environment of a run; it is read at the border and passed on."""

    home: Home
    env: Mapping[str, str] = field(repr=False)
    listener: Listener = field(default_factory=Silence, repr=False)
    options: SyncOptions = field(default_factory=SyncOptions)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Tell the listener that a step begins, and of the error that ends it, if any."""
        self.listener.started(name)
        try:
            yield
        except Exception as error:
            self.listener.failed(name, error)
            raise


def as_of(context: dg.AssetExecutionContext) -> datetime | None:
    """Return the instant that is "now" for this run; None is the real clock."""
    text = context.run.tags.get(AS_OF)
    return parse_instant(text) if text else None


def clock(now: datetime | None) -> Callable[[], datetime]:
    """Return the clock of a run: it stands still at its "now", or it is the real one."""
    return (lambda: now) if now is not None else (lambda: datetime.now(UTC))

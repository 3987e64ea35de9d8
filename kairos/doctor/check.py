"""What one check of the installation found."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from warehouse.errors import KairosError


class Status(StrEnum):
    """How it stands."""

    OK = "ok"
    WARN = "warn"
    """It works, or will once somebody does what the message says."""
    FAIL = "fail"


@dataclass(frozen=True)
class Check:
    """One line: what was looked at, how it stands, and what to do where it does not stand well."""

    name: str
    status: Status
    message: str


def ok(name: str, message: str) -> Check:
    """Say that something is as it should be."""
    return Check(name, Status.OK, message)


def warn(name: str, message: str) -> Check:
    """Say that something deserves a look; the message names the remedy."""
    return Check(name, Status.WARN, message)


def fail(name: str, message: str) -> Check:
    """Say that something is broken; the message names the remedy."""
    return Check(name, Status.FAIL, message)


def guarded(name: str, look: Callable[[], Check]) -> Check:
    """Run a check; trouble that it names itself is a failure, and the other checks still run."""
    try:
        return look()
    except KairosError as error:
        return fail(name, str(error))
    except OSError as error:
        return fail(name, f"{error}: mend it, or set KAIROS_HOME")

"""The destinations: which are configured, and whether one that is named answers."""

import csv
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from kairos.doctor.check import Check, fail, ok, warn
from reverse_etl import destinations
from reverse_etl.destinations.base import Destination, Verdict
from reverse_etl.errors import NotConfigured, NotSent, OutcomeUnknown
from warehouse.errors import KairosError
from warehouse.home import PROJECT

SWITCHES = PROJECT / "seeds" / "destinations.csv"


def check_destinations(env: Mapping[str, str]) -> Iterator[Check]:
    """See which destinations are configured; one that is not is no trouble, but none at all is."""
    configured = 0
    for name in destinations.names():
        try:
            destinations.find(name).from_env(env)
        except NotConfigured as error:
            yield ok(name, str(error).removeprefix(f"destination {name} is "))
        except KairosError as error:
            yield fail(name, str(error))
        else:
            configured += 1
            yield ok(name, f"configured; `kairos doctor {name}` asks it")
    if not configured:
        yield warn(
            "destinations",
            "none is configured: set its variables, or try `kairos sandbox`: no account needed",
        )


def check_switches(path: Path = SWITCHES) -> Check:
    """See that each row of `seeds/destinations.csv` names a destination that exists."""
    shown = f"{path.parent.name}/{path.name}"
    known = destinations.names()
    with path.open(newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file)
        for row in rows:
            name = row.get("destination") or ""
            if name not in known:
                return fail(
                    "switches",
                    f"{shown}, line {rows.line_num}: there is no destination {name!r}: "
                    f"choose one of {', '.join(known)}",
                )
        count = rows.line_num - 1
    return ok("switches", f"{shown} has {count} rows, each names a destination that exists")


def check_destination(name: str, env: Mapping[str, str]) -> Check:
    """Ask one destination, with the cheapest request it has, whether it would take ours.

    Raises `KairosError` for an unknown name or missing settings.
    """
    destination = destinations.find(name).from_env(env)
    request = destination.prepare(destination.probe(), int(time.time()))
    transport = destination.transport()
    try:
        response = transport.send(request)
    except (NotSent, OutcomeUnknown) as error:
        return fail(name, f"does not answer ({error}): check its address and the network")
    finally:
        transport.close()
    return _judge(destination, destination.verdict(response), response.status)


def _judge(destination: Destination, verdict: Verdict, status: int) -> Check:
    name = destination.name
    if verdict is Verdict.READ:
        return ok(name, f"answers with status {status}: settings and credentials are right")
    if verdict is Verdict.MISCONFIGURED:
        return fail(name, f"refuses us with status {status}: check the credentials and the region")
    if verdict in (Verdict.RETRY, Verdict.UNCERTAIN):
        return warn(name, f"answers with status {status}: it is busy or down, try later")
    return fail(name, f"answers with status {status}: check the address and the settings")

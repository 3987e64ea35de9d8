"""The destinations: which are configured, and whether one that is named answers."""

import csv
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from kairos.doctor.check import Check, fail, guarded, ok, warn
from reverse_etl import destinations
from reverse_etl.destinations.base import Destination, Verdict
from reverse_etl.dispatch.network import Network
from reverse_etl.errors import NotConfigured, NotSent, OutcomeUnknown
from warehouse.errors import KairosError
from warehouse.home import PROJECT

SWITCHES = PROJECT / "seeds" / "destinations.csv"
ANY_HOST = "destination.invalid"
"""Stands for every host that no exception names."""


def check_network(env: Mapping[str, str], url: str | None = None) -> Check:
    """Say through which proxy requests go, those to `url` or in general, and who is trusted.

    Raises `NetworkUnusable` where a variable is wrong.
    """
    network = Network.from_env(env)
    if url is None:
        ways = {scheme: _way(network, f"{scheme}://{ANY_HOST}/") for scheme in ("https", "http")}
        way = ", ".join(f"{scheme} {way}" for scheme, way in ways.items())
        way = ways["https"] if len(set(ways.values())) == 1 else way
    else:
        way = _way(network, url)
    exceptions = network.proxies.get("no")
    if exceptions and len(network.proxies) > 1:
        way += f" (NO_PROXY is {exceptions})"
    network.trusted()
    whose = f"{network.ca_variable}, {network.ca_bundle}" if network.ca_variable else "certifi"
    return ok("network", f"{way}; trusts the authorities of {whose}")


def _way(network: Network, url: str) -> str:
    proxy = network.proxy_for(url)
    return f"through the proxy {proxy.url}" if proxy else "without a proxy"


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


def check_way(name: str, env: Mapping[str, str]) -> Iterator[Check]:
    """Say how one destination is reached; nothing where that is unknown, or not by our own HTTP."""
    try:
        url = destinations.find(name).from_env(env).probe().url
    except KairosError:
        return
    if url.startswith(("http://", "https://")):
        yield guarded("network", lambda: check_network(env, url))


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
    if status == 407:
        return fail(name, "the proxy asks who we are: write user and password into HTTP_PROXY")
    if verdict is Verdict.READ:
        return ok(name, f"answers with status {status}: settings and credentials are right")
    if verdict is Verdict.MISCONFIGURED:
        return fail(name, f"refuses us with status {status}: check the credentials and the region")
    if verdict in (Verdict.RETRY, Verdict.UNCERTAIN):
        return warn(name, f"answers with status {status}: it is busy or down, try later")
    return fail(name, f"answers with status {status}: check the address and the settings")

"""Two witnesses of the same thing: planted and found, the ledger and the destination."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from duckdb import DuckDBPyConnection

from kairos.demo.reconcile import ACKNOWLEDGED, LATEST, number
from reverse_etl.sandbox import Sandbox

FOUND_AS = {
    "duplicate_exact": "duplicate",
    "duplicate_changed": "duplicate_with_other_payload",
    "missing_id": "missing_event_id",
    "missing_name": "missing_event_name",
    "missing_time": "missing_event_at",
    "unreadable_time": "unreadable_event_at",
    "future_time": "event_at_in_future",
    "missing_property": "missing_property:%",
    "not_json": "not_json",
    "not_an_object": "not_an_object",
    "too_large": "too_large",
}
"""What the generator calls a trouble, and the reason (a pattern) under which it is rejected."""

PERSON = "session_id in (select session_id from kairos.sessions where not is_bot)"
FOUND_BY = {
    "session_pause": "select count(*) from kairos.signals where signal_name = 'session_pause'"
    f" and is_applicable and not is_escalated and {PERSON}",
    "shallow_scroll": "select count(*) from kairos.signals where signal_name = 'shallow_scroll'"
    f" and is_applicable and {PERSON}",
    "cta_failure": "select count(*) from kairos.signals where signal_name = 'cta_failure'"
    f" and is_applicable and {PERSON}",
    "rage_click": "select count(*) from kairos.signals where signal_name = 'rage_click'"
    f" and is_applicable and {PERSON}",
    "milestone_reached": "select count(*) from kairos.signals"
    f" where signal_name = 'milestone_reached' and {PERSON}",
    "declared_bot": "select count(distinct actor_id) from kairos.sessions"
    " where is_bot and actor_id like 'crawler-%'",
    "headless_bot": "select count(distinct actor_id) from kairos.sessions"
    " where is_bot and actor_id like 'headless-%'",
}
"""How each planted behaviour is counted in the warehouse."""


@dataclass(frozen=True)
class Pair:
    """Two counts that should be one; `difference` counts what only one side knows."""

    name: str
    left: int
    right: int
    difference: int


def planted_and_found(connection: DuckDBPyConnection, manifest: Mapping[str, Any]) -> list[Pair]:
    """Compare what the generator planted with what the line found."""
    lines = "select coalesce(sum(row_count + unreadable_count), 0) from raw.loads"
    pairs = [
        _pair("lines", manifest["lines"], number(connection, f"{lines} where format != 'users'")),
        _pair(
            "events", manifest["events"], number(connection, "select count(*) from kairos.events")
        ),
    ]
    for trouble, reason in FOUND_AS.items():
        query = f"select count(*) from kairos.events_rejected where reason like '{reason}'"
        pairs.append(
            _pair(trouble, manifest["troubles"].get(trouble, 0), number(connection, query))
        )
    for behaviour, query in FOUND_BY.items():
        planted = manifest["behaviour"].get(behaviour, 0)
        pairs.append(_pair(behaviour, planted, number(connection, query)))
    signed_up = manifest["people"]["signed_up"]
    pairs.append(
        _pair("signed_up", signed_up, number(connection, "select count(*) from kairos.users"))
    )
    return pairs


def ledger_and_destination(connection: DuckDBPyConnection, sandbox: Sandbox) -> list[Pair]:
    """Compare what the ledger holds as acknowledged with what the destinations hold."""
    pairs: list[Pair] = []
    for destination in ("appcues", "webhook"):
        state = sandbox.state(destination)
        # the webhook's stand-in keeps the keys of all kinds, Appcues knows events alone
        kinds = "kind = 'moment'" if destination == "appcues" else "true"
        keys = connection.execute(
            f"select idempotency_key from ({LATEST}) where destination = $destination"
            f" and {kinds} and state in {ACKNOWLEDGED}",
            {"destination": destination},
        ).fetchall()
        messages = "messages" if destination == "appcues" else "operations"
        pairs.append(_sets(f"{destination} {messages}", {key for (key,) in keys}, state["events"]))
        twice = state["repeated_event_count"]
        pairs.append(Pair(f"{destination} {messages}, twice", 0, twice, twice))
        for audience, members in _present(connection, destination, "audience").items():
            there = state["members"].get(audience, [])
            pairs.append(_sets(f"{destination} members of {audience}", members, there))
        profiles = _present(connection, destination, "profile").get("profile", set())
        if profiles or state["profiles"]:
            pairs.append(_sets(f"{destination} profiles", profiles, state["profiles"]))
    return pairs


def _present(connection: DuckDBPyConnection, destination: str, kind: str) -> dict[str, set[str]]:
    """Give who is present in each object, by the last acknowledged operation of each."""
    rows = connection.execute(
        f"""
        select object_key, user_key
        from (
            select object_key, user_key, arg_max(operation, sequence) as operation
            from raw.sync_operations
            where destination = $destination and kind = $kind and state in {ACKNOWLEDGED}
            group by object_key, user_key
        )
        where operation != 'remove'
        """,
        {"destination": destination, "kind": kind},
    ).fetchall()
    present: dict[str, set[str]] = {}
    for object_key, user_key in rows:
        present.setdefault(object_key, set()).add(user_key)
    return present


def _pair(name: str, left: int, right: int) -> Pair:
    return Pair(name.replace("_", " "), left, right, abs(left - right))


def _sets(name: str, left: set[str], right: Any) -> Pair:
    return Pair(name, len(left), len(right), len(left ^ set(right)))

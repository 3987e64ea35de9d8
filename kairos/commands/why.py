"""`kairos why`: every gate that a candidate met, in plain words, with what the gate looked at."""

import json
from datetime import UTC, datetime
from typing import Any

import click
import duckdb

from kairos.invocation import Invocation, pass_invocation
from kairos.options import Instant, json_option
from kairos.output import emit_json, plural
from reverse_etl.masking import mask_personal
from warehouse.clock import naive_utc
from warehouse.connection import connect
from warehouse.errors import KairosError

LATEST = 20

DECISIONS = """
    select
        decision_id, trigger_name, session_id, moment_at, decided_at, outcome, reason, blocked_by,
        deferred_until, tier, priority, score, channel, tags, holdout, experiment, arm, destination,
        content_key, expires_at, config_version
    from kairos.trigger_decisions
    where
        user_key = $user
        and (cast($trigger as varchar) is null or trigger_name = $trigger)
        and (cast($at as timestamp) is null or decided_at <= $at)
    order by decided_at desc, moment_at desc, trigger_name
    limit $latest
"""
GATES = """
    select decision_id, decided_at, gate_number, gate_name, question, is_passed, reason, blocked_by,
        operands
    from kairos.decision_gates
    inner join kairos.gates using (gate_name, gate_number)
    where user_key = $user and list_contains($ids, decision_id)
    order by decision_id, decided_at, gate_number
"""
DELIVERIES = """
    select decision_id, state, http_status, error_message, acknowledged_at
    from kairos.sync_operations
    where user_key = $user and list_contains($ids, decision_id)
"""
KNOWN = """
    select
        exists (select 1 from kairos.known_people where user_key = $user) as is_known,
        exists (select 1 from kairos.events where user_key = $user) as has_events,
        (select count(*) from kairos.signals where user_key = $user) as signal_count,
        exists (
            select 1 from kairos.triggers
            where trigger_name = coalesce($trigger, trigger_name)
        ) as is_trigger
"""


@click.command()
@click.argument("user")
@click.argument("trigger", required=False)
@click.option("--at", type=Instant(), metavar="T", help="What was decided up to this instant.")
@json_option
@pass_invocation
def command(
    invocation: Invocation, user: str, trigger: str | None, at: datetime | None, as_json: bool
) -> None:
    """Say why USER was messaged, or was not: each decision with every gate it met.

    USER is the id under which events name the person. With TRIGGER, only its decisions.
    """
    with connect(invocation.home, read_only=True) as connection:
        try:
            answer = explain(connection, user, trigger, at)
        except duckdb.CatalogException as error:
            raise KairosError(
                f"{invocation.home.warehouse} holds no decisions yet: run `kairos build` first"
            ) from error
    if as_json:
        emit_json(answer)
    else:
        for line in tell(answer):
            click.echo(line)


def explain(
    connection: duckdb.DuckDBPyConnection, user: str, trigger: str | None, at: datetime | None
) -> dict[str, Any]:
    """Read the latest decisions about a person, newest first, with their gates."""
    [known] = _rows(connection, KNOWN, {"user": user, "trigger": trigger})
    if not known["is_trigger"]:
        raise KairosError(
            f"there is no trigger {trigger!r}: seeds/triggers.csv has one row for each"
        )
    decisions = _rows(
        connection,
        DECISIONS,
        {
            "user": user,
            "trigger": trigger,
            "at": None if at is None else naive_utc(at),
            "latest": LATEST,
        },
    )
    ids = [decision["decision_id"] for decision in decisions]
    gates = _rows(connection, GATES, {"user": user, "ids": ids})
    deliveries = {
        row["decision_id"]: row for row in _rows(connection, DELIVERIES, {"user": user, "ids": ids})
    }
    for decision in decisions:
        key = decision["decision_id"], decision["decided_at"]
        decision["gates"] = [
            {**gate, "operands": mask_personal(json.loads(gate["operands"]))}
            for gate in gates
            if (gate["decision_id"], gate["decided_at"]) == key
        ]
        decision["delivery"] = deliveries.get(decision["decision_id"])
    return {"user_key": user, "trigger_name": trigger, **known, "decisions": decisions}


def tell(answer: dict[str, Any]) -> list[str]:
    """Put the answer into sentences."""
    user, about = answer["user_key"], answer["trigger_name"] or "any trigger"
    if not answer["decisions"]:
        if not answer["has_events"] and not answer["is_known"]:
            return [f"{user} is unknown: no event and no list of users names them."]
        found = plural(answer["signal_count"], "signal") if answer["signal_count"] else "no signal"
        return [
            f"{user} was never a candidate for {about}: there is {found} of theirs, "
            "and no rule found its moment."
        ]
    lines = []
    for decision in answer["decisions"]:
        lines += [*_headline(decision), *map(_gate_line, decision["gates"]), ""]
    return lines[:-1]


def _headline(decision: dict[str, Any]) -> list[str]:
    moment = _clock(decision["moment_at"])
    why = _reason(decision["reason"], decision["blocked_by"])
    if decision["outcome"] == "send":
        outcome = f"was sent {decision['content_key']} through {decision['destination']}"
    elif decision["outcome"] == "ghost":
        outcome = f"was sent nothing, on purpose: a {decision['reason']} is there to compare with"
    elif decision["outcome"] == "deferred":
        outcome = f"waits until {_clock(decision['deferred_until'])}: {why}"
    else:
        outcome = f"was not sent: {why}"
    lines = [
        f"{decision['trigger_name']}: the moment of {moment} {outcome} "
        f"(decided {_clock(decision['decided_at'])})"
    ]
    if delivery := decision["delivery"]:
        detail = f": {delivery['error_message']}" if delivery["error_message"] else ""
        lines.append(f"  delivery: {delivery['state']}{detail}")
    return lines


REASONS = {
    "unknown_person": "nobody knows who it was",
    "unknown_trigger": "the trigger has no row in seeds/triggers.csv",
    "no_content": "there is no content for it",
    "unknown_destination": "its destination is not configured",
    "impossible_moment": "the moment lies in the future",
    "bot": "the session was a bot's, by what was known at the moment",
    "no_consent": "the person does not want messages on {by}",
    "suppression_list": "the person is on a suppression list ({by})",
    "disabled": "the trigger is switched off",
    "expired": "it came up too late, after the moment had expired",
    "not_due": "its delay is not over",
    "exited": "{by} happened meanwhile",
    "retracted": "late data took the moment back",
    "cooling_down": "the same trigger spoke too recently",
    "not_eligible_again": "the person has had this message, and may not have it again yet",
    "outranked": "something more important took the last place under {by}",
    "cap_reached": "the person has had enough messages: {by}",
    "quiet_hours": "it is night where the person is",
}


def _reason(reason: str, blocked_by: str | None) -> str:
    return REASONS.get(reason, reason).format(by=blocked_by)


def _gate_line(gate: dict[str, Any]) -> str:
    mark = "passed " if gate["is_passed"] else "STOPPED"
    return f"  {gate['gate_number']:>2} {mark} {gate['question']} {_operands(gate['operands'])}"


def _operands(operands: dict[str, Any]) -> str:
    words = []
    for name, value in operands.items():
        if name in ("caps", "limits"):
            words += [
                f"{limit['limit']} {limit['used_before'] + limit['used_in_run']}"
                f" of {limit['maximum']}"
                for limit in value
            ]
        elif value is not None:
            words.append(_operand(name, value))
    return f"[{', '.join(words)}]" if words else ""


LABELS = {"rank": "place in their line", "rivals": "others in it", "place": "place in [0, 1)"}
"""Operands whose names say little by themselves."""


def _operand(name: str, value: Any) -> str:
    """Write `age_seconds` 3228.8 as `age: 53 min 49 s`, and `is_ghost` False as `ghost: no`."""
    if name.endswith("_seconds"):
        name, value = name.removesuffix("_seconds"), _duration(float(value))
    elif isinstance(value, bool):
        value = "yes" if value else "no"
    elif isinstance(value, float):
        value = round(value, 3)
    if name in LABELS:
        return f"{LABELS[name]}: {value}"
    label = name.removesuffix("_at").removeprefix("is_").removeprefix("has_").replace("_", " ")
    return f"{label}: {value}"


def _duration(seconds: float) -> str:
    rest, parts = round(seconds), []
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if rest >= length:
            parts.append(f"{rest // length} {unit}")
            rest %= length
    return " ".join([*parts, f"{rest} s"] if rest or not parts else parts)


def _clock(instant: datetime) -> str:
    return instant.replace(tzinfo=UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _rows(
    connection: duckdb.DuckDBPyConnection, query: str, parameters: dict[str, Any]
) -> list[dict[str, Any]]:
    relation = connection.execute(query, parameters)
    names = [column[0] for column in relation.description or ()]
    return [dict(zip(names, row, strict=True)) for row in relation.fetchall()]

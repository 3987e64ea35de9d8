"""`kairos new trigger`: file, row, content and test of a trigger, ready to be changed."""

import csv
import json
import re
from pathlib import Path

import click

from warehouse.errors import KairosError
from warehouse.home import PROJECT

NAME = re.compile(r"[a-z][a-z0-9_]*")

RULE = """\
-- what happened, and what the person would like then: one sentence
select
    user_key,
    session_id,
    detected_at as moment_at,
    evidence

from {{ ref('signals') }}

where
    signal_name = 'session_pause'
    and is_applicable
"""

PROPERTIES = """\
models:
  - name: %(name)s
    description: Moments of this trigger, one row per pause.

unit_tests:
  - name: %(name)s_has_its_moments_and_no_others
    model: %(name)s
    given:
      - input: ref('signals')
        rows:
          - {user_key: ann, signal_name: session_pause, is_applicable: true}
          - {user_key: bob, signal_name: session_pause, is_applicable: false}
          - {user_key: cem, signal_name: cta_failure, is_applicable: true}
    expect:
      rows:
        - {user_key: ann}
"""


@click.group()
def command() -> None:
    """Start something of your own from a working example."""


@command.command()
@click.argument("name")
def trigger(name: str) -> None:
    """Start a trigger: rule, settings (switched off), content and unit test."""
    for path in scaffold(PROJECT, name):
        click.echo(path.relative_to(PROJECT))
    click.echo(
        "Change the rule, its test and its content, then: kairos build "
        f"(is_enabled of {name} in seeds/triggers.csv switches it on)"
    )


def scaffold(project: Path, name: str) -> list[Path]:
    """Write the parts of a trigger into a project and return the files that were touched.

    Raises `KairosError`, and writes nothing, for a name that is taken or is no name of a model.
    """
    if not NAME.fullmatch(name):
        raise KairosError(
            f"{name!r} is no name of a trigger: use lower case letters, digits and underscores, "
            "like setup_reminder"
        )
    rules = project / "models" / "triggers" / "rules"
    if taken := [path for path in (project / "models").rglob("*.sql") if path.stem == name]:
        raise KairosError(f"the name {name} is taken by {taken[0].relative_to(project)}")
    union = rules.parent / "trigger_moments.sql"
    settings, content = project / "seeds" / "triggers.csv", project / "seeds" / "content.csv"

    (rules / f"{name}.sql").write_text(RULE)
    (rules / f"{name}.yml").write_text(PROPERTIES % {"name": name})
    union.write_text(_listed(union.read_text(), name))
    _append(settings, _settings(name, settings))
    payload = {"title": "Say it in five words", "body": "And what to do next in one sentence."}
    _append(content, [name, "*", "*", json.dumps(payload)])
    return [rules / f"{name}.sql", rules / f"{name}.yml", union, settings, content]


def _listed(union: str, name: str) -> str:
    references = re.findall(r"    ref\('(\w+)'\),\n", union)
    block = "".join(f"    ref('{rule}'),\n" for rule in references)
    ordered = "".join(f"    ref('{rule}'),\n" for rule in sorted([*references, name]))
    return union.replace(block, ordered)


def _settings(name: str, path: Path) -> list[str]:
    with path.open(newline="") as file:
        header = next(csv.reader(file))
    values = {
        "trigger_name": name,
        "tier": "low",
        "priority": "10",
        "channel": "in_app",
        "tags": "help",
        "destination": "webhook",
        "content_key": name,
        "delay_seconds": "0",
        "expiry_seconds": "3600",
        "cooldown_seconds": "86400",
        "re_eligible_after_seconds": "604800",
        "on_capped": "drop",
        "bypass_caps": "false",
        "counts_toward_caps": "true",
        "is_enabled": "false",
    }
    return [values.get(column, "") for column in header]


def _append(path: Path, row: list[str]) -> None:
    with path.open("a", newline="") as file:
        csv.writer(file, lineterminator="\n").writerow(row)

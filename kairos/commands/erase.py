"""`kairos erase`: one person, out of everything."""

import hashlib
import json
import secrets
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from kairos.invocation import NEEDS_A_PERSON, Invocation, pass_invocation
from kairos.options import json_option
from kairos.output import emit_json, note, plural, progress
from reverse_etl.erasure import erase_at_destinations
from reverse_etl.ledger.store import Ledger
from warehouse.connection import lock_timeout, writer
from warehouse.erasure import (
    Place,
    Traces,
    erase_landing,
    erase_warehouse,
    files_elsewhere,
    last_as_of,
    trace,
)
from warehouse.transform import TransformationFailed, build


@click.command()
@click.argument("user")
@click.option("--yes", is_flag=True, help="Erase without asking: there is no way back.")
@click.option("--dry-run", is_flag=True, help="Only say where the person is.")
@json_option
@pass_invocation
def command(
    invocation: Invocation,
    user: str,
    yes: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Erase one person: landing folder, destinations, warehouse, ledger.

    USER is their id in the product. Browsers that nobody else signed in at are taken for theirs;
    of shared ones, what happened while they were signed in. Every table is then built anew, which
    takes as long as a full refresh. Killed half-way, the same command goes on.

    A receipt that names nobody is kept in the folder `erasures` of KAIROS_HOME. What a source
    delivers afterwards is new data: have the person deleted there first.

    \b
    Exit status: 0 nothing of them is left; 1 nothing could be done;
    3 something needs a person: the receipt says where and what.
    """
    home = invocation.home
    with (
        writer(home, lock_timeout(invocation.env)),
        Ledger.open(home.ledger_url) as ledger,
    ):
        ledger.require_idle()
        traces = trace(home, user)
        known_at = ledger.destinations_of(user)
        if not as_json:
            _announce(traces, known_at)
        if dry_run:
            if as_json:
                emit_json({"raw_row_count": len(traces.lines), "destinations": known_at})
            return
        if not yes:
            click.confirm("Erase this person? There is no way back", abort=True, err=True)
        places = _erase(invocation, ledger, traces)
    receipt = _receipt(user, places, datetime.now(UTC))
    path = _keep(home.root / "erasures", receipt)
    if as_json:
        emit_json(receipt)
    else:
        _tell(places, path)
    if any(place.problem for place in places):
        raise click.exceptions.Exit(NEEDS_A_PERSON)


def _erase(invocation: Invocation, ledger: Ledger, traces: Traces) -> list[Place]:
    """Do it in an order in which each step finds what it needs, also when begun again."""
    home, user = invocation.home, traces.user_id
    places = list(erase_landing(home, traces))
    places += [
        Place(name, 0, "rows of theirs were taken from this file, which is yours: edit it")
        for name in files_elsewhere(home, traces)
        if Path(name).exists()
    ]
    places += erase_at_destinations(ledger, user, invocation.env, lambda: datetime.now(UTC))
    places += erase_warehouse(home, traces)
    if any(place.is_unfinished for place in places):
        # it alone knows where to go on
        problem = "kept until every destination could be asked: run this again"
        places.append(Place("ledger", 0, problem, is_unfinished=True))
    else:
        places.append(Place("ledger", ledger.erase(user)))
    try:
        with progress("building") as report:
            build(home, last_as_of(home), full_refresh=True, on_node=report, unit_tests=False)
    except TransformationFailed as error:
        problem = f"{error}; mend it and run `kairos build --full-refresh`"
        places.append(Place("tables", 0, problem))
    return places


def _announce(traces: Traces, known_at: Sequence[str]) -> None:
    shared = f", {plural(len(traces.shared_browsers), 'shared browser')}"
    click.echo(
        f"{plural(len(traces.lines), 'raw row')}, {plural(len(traces.browsers), 'browser')}"
        f"{shared if traces.shared_browsers else ''}; "
        f"messages or memberships at {', '.join(known_at) or 'no destination'}"
    )


def _receipt(user: str, places: Sequence[Place], erased_at: datetime) -> dict[str, Any]:
    """Say what was done, and of whom to nobody who does not know the id already."""
    salt = secrets.token_hex(16)
    return {
        "erased_at": erased_at.isoformat(),
        "salt": salt,
        "sha256_of_salt_and_user": hashlib.sha256((salt + user).encode()).hexdigest(),
        "is_complete": not any(place.problem for place in places),
        "places": [
            # what a destination answers may name them
            {**asdict(place), "problem": place.problem and place.problem.replace(user, "***")}
            for place in places
            if place.row_count or place.problem
        ],
    }


def _keep(folder: Path, receipt: dict[str, Any]) -> Path:
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / f"{receipt['salt']}.json"
    path.write_text(json.dumps(receipt, indent=2) + "\n")
    return path


def _tell(places: Sequence[Place], receipt: Path) -> None:
    for place in places:
        if place.row_count:
            click.echo(f"  {place.name}: {plural(place.row_count, 'row')} erased")
    for place in places:
        if place.problem:
            note(f"  {place.name}: {place.problem}")
    click.echo(f"receipt: {receipt}")

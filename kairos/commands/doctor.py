"""`kairos doctor`: is everything as it should be, and what to do where it is not."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict

import click

from kairos.doctor.check import Check, Status, guarded
from kairos.invocation import Invocation, pass_invocation
from kairos.options import json_option
from kairos.output import emit_json
from warehouse.home import PROJECT

COLOURS = {Status.OK: "green", Status.WARN: "yellow", Status.FAIL: "red"}


@click.command()
@click.argument("destination", required=False)
@click.option("--deep", is_flag=True, help="Parse the dbt project, too: some seconds.")
@json_option
@pass_invocation
def command(invocation: Invocation, destination: str | None, deep: bool, as_json: bool) -> None:
    """Check the installation and the mapping in seeds/. With a DESTINATION, ask that one whether it
    would take our requests, and knows the audiences and fields that are mapped to it.

    \b
    Exit status: 0 everything works, perhaps with warnings; 1 something is broken.
    """
    found = []
    for check in _checks(invocation, destination, deep):
        found.append(check)
        if not as_json:
            status = click.style(f"{check.status.value:<4}", fg=COLOURS[check.status])
            click.echo(f"{status}  {check.name:<12}  {check.message}")
    if as_json:
        emit_json([asdict(check) for check in found])
    if Counter(check.status for check in found)[Status.FAIL]:
        raise click.exceptions.Exit(1)


def _checks(invocation: Invocation, destination: str | None, deep: bool) -> Iterator[Check]:
    from kairos.doctor import delivery, installation, state
    from kairos.doctor.asking import ask_about_mapping
    from kairos.doctor.mapping import check_mapping
    from kairos.doctor.rows import Project

    home, env, project = invocation.home, invocation.env, Project()
    if destination is not None:
        yield from delivery.check_way(destination, env)
        answer = guarded(destination, lambda: delivery.check_destination(destination, env))
        yield answer
        yield from check_mapping(env, home, destination, project)
        if answer.status is Status.OK:
            yield from ask_about_mapping(destination, env, project)
        return
    yield guarded("python", lambda: installation.check_python(PROJECT))
    yield guarded("packages", lambda: installation.check_packages(PROJECT))
    yield guarded("home", lambda: installation.check_home(home))
    yield guarded("warehouse", lambda: state.check_warehouse(home))
    yield guarded("writer", lambda: state.check_writer(home))
    yield guarded("ledger", lambda: state.check_ledger(home))
    if deep:
        yield guarded("dbt", lambda: state.check_project(home))
    yield guarded("network", lambda: delivery.check_network(env))
    yield guarded("switches", delivery.check_switches)
    yield from check_mapping(env, home, None, project)
    yield from delivery.check_destinations(env)

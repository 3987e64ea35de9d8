"""`kairos plan`: what would be sent, and nobody's data."""

from dataclasses import asdict
from datetime import UTC, datetime

import click

from kairos.invocation import Invocation, pass_invocation
from kairos.options import as_of_option, json_option
from kairos.output import emit_json
from reverse_etl import destinations, plan


@click.command()
@click.argument("destination", required=False)
@as_of_option
@click.option("--sample", "sample_count", default=plan.SAMPLE, show_default=True, metavar="N",
              help="Show so many operations, masked.")  # fmt: skip
@json_option
@pass_invocation
def command(
    invocation: Invocation,
    destination: str | None,
    as_of: datetime | None,
    sample_count: int,
    as_json: bool,
) -> None:
    """Show what would be sent: counts, and a few operations with everything personal masked.

    Reads the plan of the last build; sends nothing and needs no credentials.
    """
    if destination is not None:
        destinations.find(destination)
    groups = plan.summary(invocation.home, destination, as_of or datetime.now(UTC))
    samples = plan.sample(invocation.home, destination, sample_count)
    if as_json:
        emit_json({"planned": [asdict(group) for group in groups], "samples": samples})
        return
    if not groups:
        click.echo("nothing is planned")
        return
    for group in groups:
        notes = [
            f"{count:,} {word}"
            for count, word in ((group.retry_count, "again"), (group.expired_count, "expired"))
            if count
        ]
        suffix = f" ({', '.join(notes)})" if notes else ""
        click.echo(
            f"{group.destination}: {group.operation} {group.kind} {group.object_key}: "
            f"{group.operation_count:,}{suffix}"
        )
    for row in samples:
        click.echo(
            f"  {row['destination']} {row['operation']} {row['kind']} {row['object_key']} "
            f"to {row['user_key']}: {row['payload']}"
        )

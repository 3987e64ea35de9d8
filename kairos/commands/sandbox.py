"""`kairos sandbox`: stand-ins for the destinations, on loopback."""

import signal
import threading
from pathlib import Path

import click

from kairos.doctor.rows import Project
from kairos.output import emit_json, note
from reverse_etl.sandbox import Sandbox
from warehouse.errors import KairosError


@click.command()
@click.option("--port", default=8787, show_default=True, help="Where to listen; 0: a free port.")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--state",
    "state_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Keep what the stand-ins hold in this file from one start to the next.",
)
@click.option(
    "--audience",
    "audiences",
    multiple=True,
    metavar="ID",
    help="An audience that exists at each of them beside those of the project; may be repeated.",
)
@click.option(
    "--json", "as_json", is_flag=True, help="Print the address and the variables as JSON."
)
def command(
    port: int, host: str, state_file: Path | None, audiences: tuple[str, ...], as_json: bool
) -> None:
    """Serve stand-ins for every HTTP destination, until it is stopped with Ctrl-C.

    They speak the documented requests, limits, partial failures and errors, and keep state. The
    printed variables point the destinations here: put them into .env, or export them.

    Segments, lists, tags and cohorts exist by the names of the project's audiences; one that is
    mapped to another id has to be made first, as at the vendor.

    \b
    GET  /_sandbox/requests  what came in           POST /_sandbox/faults     make requests fail
    GET  /_sandbox/state     what is held           POST /_sandbox/limits     set or lift a limit
    POST /_sandbox/reset     forget everything      POST /_sandbox/audiences  make some
    GET  /_sandbox           what there is
    """
    # an orderly end for both ways of stopping, from before anybody can know that we are here
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sandbox = Sandbox(
        host, port, state_file, audiences=lambda: Project().audiences().union(audiences)
    )
    try:
        sandbox.start()
    except (OSError, OverflowError) as error:
        raise KairosError(
            f"cannot listen on {host}:{port}: {error}; choose another with --port"
        ) from error
    try:
        if as_json:
            emit_json({"url": sandbox.url, "environment": sandbox.environment()})
        else:
            for name, value in sandbox.environment().items():
                click.echo(f"{name}={value}")
        note(f"listening on {sandbox.url} for {', '.join(sandbox.names)}; Ctrl-C stops")
        threading.Event().wait()
    except KeyboardInterrupt:
        note("stopping")
    finally:
        sandbox.stop()

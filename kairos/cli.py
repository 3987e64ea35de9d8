"""The `kairos` command: one module per subcommand, imported only when it is called."""

import errno
import os
import sys
from importlib import import_module
from typing import Any

import click
from dotenv import load_dotenv

from kairos.invocation import Invocation
from warehouse.errors import KairosError
from warehouse.home import PROJECT, Home

DISK = (errno.EACCES, errno.EDQUOT, errno.ENOSPC, errno.EPERM, errno.EROFS)
"""What is amiss with a disk, and no mistake of ours."""

COMMANDS = {
    "demo": "Run the whole line on two weeks of made-up events, and reconcile every row.",
    "ingest": "Take files of events or users into the warehouse.",
    "run": "Run the whole line once: landing folder, models, deliveries, outcomes.",
    "build": "Build and test every model on what is in the warehouse.",
    "plan": "Show what would be sent, masked.",
    "sync": "Deliver what is planned.",
    "why": "Say why somebody was messaged, or was not, gate by gate.",
    "replay": "Decide a stretch of history again, under other settings, and compare.",
    "erase": "Erase one person: landing folder, destinations, warehouse, ledger.",
    "new": "Start a trigger of your own: rule, row, content and test.",
    "sandbox": "Serve stand-ins for the destinations, to deliver to without any account.",
    "doctor": "Check the installation, and say what to do where something is amiss.",
}
"""Name and one line of help of each command; `kairos/commands/<name>.py` holds its `command`."""


class Commands(click.Group):
    """Subcommands that are listed without being imported, so that help is quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order in which one would first use them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command; None when there is none of that name."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"kairos.commands.{cmd_name}").command
        if all(parameter.name != "debug" for parameter in command.params):
            command.params.append(_debug_option())
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands from the table above."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; what a person can mend is one sentence on stderr and status 1."""
        try:
            return super().invoke(ctx)
        except KairosError as error:
            if ctx.meta.get("debug"):
                raise
            click.echo(f"kairos: {error}", err=True)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except BrokenPipeError:
            # the reader, `head` for one, has seen enough
            sys.stderr.close()
        except Exception as error:
            if ctx.meta.get("debug"):
                raise
            if isinstance(error, OSError) and error.errno in DISK and error.filename:
                click.echo(
                    f"kairos: {error.filename} cannot be written: {error.strerror}; see that its "
                    "disk has room and the place is yours to write, or set KAIROS_HOME",
                    err=True,
                )
                ctx.exit(1)
            click.echo(
                f"kairos: unexpected {type(error).__name__}: {error} "
                "(a mistake of ours; --debug shows where)",
                err=True,
            )
        ctx.exit(1)


def _debug_option() -> click.Option:
    return click.Option(
        ["--debug"],
        is_flag=True,
        expose_value=False,
        is_eager=True,
        callback=_remember_debug,
        help="Show where an error comes from.",
    )


def _remember_debug(ctx: click.Context, parameter: click.Parameter, is_set: bool) -> None:
    # ctx.meta is shared by the contexts of the group and of its command
    ctx.meta["debug"] = is_set or ctx.meta.get("debug", False)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="kairos")
@click.pass_context
def main(ctx: click.Context) -> None:
    """Notice the moments in which help is welcome, and hand them to your onboarding platform.

    events -> sessions -> signals -> scores -> triggers -> deliveries -> outcomes

    State lives in .kairos/ (KAIROS_HOME). Settings come from the environment, or from a file `.env`
    in the project folder where the environment has none.

    \b
    Exit status: 0 done; 1 could not do its work; 2 wrong usage;
    3 done, but something needs a person.
    """
    load_dotenv(PROJECT / ".env", override=False)
    ctx.obj = Invocation(env=os.environ, home=Home.from_env(os.environ))


main.params.append(_debug_option())

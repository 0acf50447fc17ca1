"""The command line: one subcommand a verb, exit code 0 done, 1 did not happen, 2 bad usage.

What takes long to import (aiohttp, rich, pygit2, the service itself) is imported by the commands
that need it, so that ``ingest --help`` answers at once.
"""

import io
import os
import sys
from typing import Any

import click

from ingest.cli.bank import bank
from ingest.cli.db import db
from ingest.cli.items import items, problems
from ingest.cli.jobs import abandon, execution, executions, jobs, migrate, sync
from ingest.cli.serve import config, serve
from ingest.cli.show import clean
from ingest.cli.token import token
from ingest.errors import ConfigurationError, IngestError, InvalidValueError

_BAD_USAGE = (ConfigurationError, InvalidValueError)
_INTERRUPTED = 130


class _Group(click.Group):
    """The one place where what went wrong becomes a line and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.exceptions.Exit, click.ClickException, BrokenPipeError):
            raise  # click's own: a code, a usage message, quiet
        except (KeyboardInterrupt, click.Abort):
            click.echo(err=True)
            ctx.exit(_INTERRUPTED)
        except IngestError as error:
            _say(str(error))
            ctx.exit(2 if isinstance(error, _BAD_USAGE) else 1)
        except OSError as error:
            _say(f"{error.filename}: {error.strerror}" if error.filename else str(error))
            ctx.exit(1)
        except Exception as error:
            if sys.flags.dev_mode:
                raise
            _say(
                f"unexpected {type(error).__name__}: {error}. This is a fault of the command: "
                "python -X dev -m ingest … shows where"
            )
            ctx.exit(1)


def _say(message: str) -> None:
    click.echo(f"ingest: {clean(message)}", err=True)


def _show_version(context: click.Context, _option: click.Parameter, asked: bool) -> None:  # noqa: FBT001 - click's own signature
    if asked:
        from ingest import release  # noqa: PLC0415 - most commands do without

        click.echo(f"ingest, version {release.words()}")
        context.exit()


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help="Show the version and exit.",
)
def cli() -> None:
    """Keep a searchable database in step with an item bank, by jobs that stop when told to."""


for _command in (
    serve,
    config,
    sync,
    migrate,
    abandon,
    jobs,
    executions,
    execution,
    items,
    problems,
    bank,
    db,
    token,
):
    cli.add_command(_command)


def main() -> None:
    """Run the command that the arguments name, and exit."""
    _fill_standard_streams()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    cli(prog_name="ingest")


def _fill_standard_streams() -> None:
    """Put the null device where a standard stream was closed.

    Else the next file that is opened would take its place, and what is meant for the stream.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest that is free
    if sys.stdout is None:
        sys.stdout = io.TextIOWrapper(io.FileIO(1, "w", closefd=False), line_buffering=True)
    if sys.stderr is None:
        sys.stderr = io.TextIOWrapper(io.FileIO(2, "w", closefd=False), line_buffering=True)

"""The command line: one subcommand a verb. What a command needs is imported when it runs."""

import os
import sys

import click

from ingest.cli import bank, items, jobs, serve
from ingest.errors import ConfigurationError, IngestError, InvalidValueError

#: Exit codes: the thing asked for did not happen; bad usage or configuration.
NOT_DONE = 1
BAD_USAGE = 2


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="item-ingest-service", prog_name="ingest")
def ingest() -> None:
    """Keep a searchable database in step with an item bank of git repositories."""


for _command in (
    serve.serve,
    serve.config,
    jobs.sync,
    jobs.migrate,
    jobs.abandon,
    jobs.list_jobs,
    jobs.list_executions,
    jobs.show_execution,
    items.list_items,
    items.list_problems,
    bank.bank,
):
    ingest.add_command(_command)


def main() -> None:
    """Run the command line and exit; no traceback reaches a user."""
    try:
        code = ingest.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)
    except (ConfigurationError, InvalidValueError) as error:
        click.echo(f"ingest: {error}", err=True)
        sys.exit(BAD_USAGE)
    except IngestError as error:
        click.echo(f"ingest: {error}", err=True)
        sys.exit(NOT_DONE)
    except BrokenPipeError:
        # Whoever read us has had enough; the interpreter must not complain of it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(NOT_DONE)
    sys.exit(code if isinstance(code, int) else 0)

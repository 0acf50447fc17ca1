"""Running the service, and showing the configuration it would run with."""

import asyncio
import functools
import os
from pathlib import Path
from typing import Any

import click

from ingest.cli import show
from ingest.cli.options import Command, config_option, json_option
from ingest.errors import ConfigurationError
from ingest.settings import Configuration, Settings, describe, load
from ingest.settings.wording import shown


def _settings_options(command: Command) -> Command:
    """Give a command the flags of settings; their texts are checked with the configuration."""
    for decorate in (
        click.option(
            "--allow-unauthenticated",
            is_flag=True,
            help="Listen for everybody who can reach the host, without authentication.",
        ),
        click.option(
            "--wait-for-database",
            "database_wait",
            metavar="S",
            help="Seconds to wait for another owner of the database to end.",
        ),
        click.option(
            "--retain-executions",
            "retain_executions",
            metavar="N",
            help="Keep N ended executions of each job on record (all).",
        ),
        config_option,
        click.option("--max-items-per-second", "rate", metavar="R", help="Spare the item bank."),
        click.option("--bank", metavar="DIR-or-URL", help="The item bank."),
        click.option("--database", metavar="FILE-or-URL", help="The database (ingest.db)."),
        click.option("--port", metavar="P", help="Listen on this port (9081)."),
        click.option("--host", metavar="H", help="Listen on this address (127.0.0.1)."),
    ):
        command = decorate(command)
    return command


def _load(config_file: Path | None, flags: dict[str, str | None]) -> Configuration:
    overrides = {
        "server.host": flags["host"],
        "server.port": flags["port"],
        "database.url": flags["database"],
        "database.wait_for_lock_s": flags["database_wait"],
        "database.retain_executions": flags["retain_executions"],
        "bank.url": flags["bank"],
        "bank.max_items_per_second": flags["rate"],
    }
    return load(config_file, overrides, os.environ)


@click.command()
@_settings_options
def serve(*, config_file: Path | None, allow_unauthenticated: bool, **flags: Any) -> None:
    """Run the service until SIGTERM or Ctrl-C."""
    configuration = _load(config_file, flags)
    if allow_unauthenticated:
        _refuse_contradiction(configuration)
    else:
        _refuse_strangers(configuration.settings)
    # The service takes long to import, the more so for a command line that is wrong.
    import ingest.app  # noqa: PLC0415
    import ingest.logs  # noqa: PLC0415
    import ingest.serve  # noqa: PLC0415

    ingest.logs.configure(configuration.settings.log)
    create = functools.partial(ingest.app.create_app, allow_unauthenticated=allow_unauthenticated)
    raise SystemExit(asyncio.run(ingest.serve.serve(configuration.settings, create=create)))


def _refuse_contradiction(configuration: Configuration) -> None:
    if configuration.settings.auth.require == "always":
        raise ConfigurationError(
            f"auth.require = 'always' ({configuration.origins['auth.require']}) and "
            "--allow-unauthenticated contradict each other: leave one of them out"
        )


def _refuse_strangers(settings: Settings) -> None:
    """Refuse at once what would be refused once the database is made: it holds no token yet."""
    is_auto = settings.auth.require == "auto" and settings.auth.jwt_issuer is None
    if is_auto and not settings.server.is_loopback and not settings.database.path.exists():
        from ingest.access.authentication import nobody_known  # noqa: PLC0415 - slow to import

        raise nobody_known(settings.server.host)


@click.command()
@_settings_options
@json_option
def config(
    *, config_file: Path | None, allow_unauthenticated: bool, as_json: bool, **flags: Any
) -> None:
    """Show the configuration in force, and where each value comes from."""
    del allow_unauthenticated  # no setting: it is said anew at every start
    described = describe(_load(config_file, flags))
    if as_json:
        show.document({key: {"value": value, "origin": origin} for key, value, origin in described})
        return
    keys, values = (max(map(len, texts)) for texts in _texts(described))
    for key, value, origin in described:
        show.line(f"{key:{keys}} = {shown(value):{values}}  ({origin})")


def _texts(described: list[tuple[str, object, str]]) -> tuple[list[str], list[str]]:
    return [key for key, _, _ in described], [shown(value) for _, value, _ in described]

"""``ingest serve`` and ``ingest config``."""

import asyncio
import ipaddress
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from ingest.cli import show
from ingest.errors import ConfigurationError
from ingest.settings import Configuration, describe, load


def _settings_options(command: Callable[..., Any]) -> Callable[..., Any]:
    # Flags come as text: the settings read them, and word what is wrong with them.
    for option in reversed(
        (
            click.option("--host", help="Address to listen on."),
            click.option("--port", help="Port to listen on; 0 for any."),
            click.option("--database", help="The database file."),
            click.option("--bank", help="The item bank: a folder of repositories."),
            click.option("--max-items-per-second", help="Cap on documents read."),
            click.option(
                "--config", "config_file", type=click.Path(path_type=Path), help="A TOML file."
            ),
            click.option("--wait-for-database", help="Seconds to wait for another owner to go."),
        )
    ):
        command = option(command)
    return command


def _load(options: dict[str, Any]) -> Configuration:
    overrides = {
        "server.host": options["host"],
        "server.port": options["port"],
        "database.url": options["database"],
        "database.wait_for_lock_s": options["wait_for_database"],
        "bank.url": options["bank"],
        "bank.max_items_per_second": options["max_items_per_second"],
    }
    return load(options["config_file"], overrides, os.environ)


@click.command()
@_settings_options
@click.option(
    "--allow-unauthenticated",
    is_flag=True,
    help="Listen beyond this machine although anybody may then start and stop jobs.",
)
def serve(*, allow_unauthenticated: bool, **options: Any) -> int:
    """Run the service until SIGTERM or SIGINT."""
    from ingest.logs import configure  # noqa: PLC0415 - `ingest --help` needs none of these
    from ingest.serve import serve as run  # noqa: PLC0415

    settings = _load(options).settings
    if not allow_unauthenticated and not _is_loopback(settings.server.host):
        raise ConfigurationError(
            f"server.host: {settings.server.host} can be reached from other machines, and nobody "
            "is asked who they are: listen on 127.0.0.1 behind a proxy that asks, or say "
            "--allow-unauthenticated"
        )
    configure(settings.log)
    return asyncio.run(run(settings))


@click.command()
@_settings_options
@click.option("--json", "as_json", is_flag=True)
def config(*, as_json: bool, **options: Any) -> None:
    """Show every setting in force, and where it comes from."""
    rows = describe(_load(options))
    if as_json:
        show.document({key: {"value": value, "origin": origin} for key, value, origin in rows})
        return
    width = max(len(key) for key, _, _ in rows)
    for key, value, origin in rows:
        click.echo(f"{key:<{width}} = {show.printable(_worded(value))}  ({origin})")


def _worded(value: object) -> str:
    if value is None:
        return "none"
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False

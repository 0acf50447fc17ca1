"""The options that commands have in common, and how a command reaches the service."""

import asyncio
import functools
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import click
from attrs import field, frozen

from ingest.errors import ConfigurationError

Command = Callable[..., None]
Json = dict[str, Any]
#: Query parameters; those that are None are left out.
Query = Mapping[str, str | int | None]

DEFAULT_URL: Final = "http://127.0.0.1:9081"

#: The jobs by the commands that start them.
JOB_NAMES: Final = {"sync": "itemSynchronizationJob", "migrate": "itemMigrationJob"}

json_option: Final = click.option(
    "--json", "as_json", is_flag=True, help="Print the JSON document instead of words."
)
limit_option: Final = click.option(
    "--limit", type=click.IntRange(1, 1000), help="How many at most, up to 1000 (100)."
)
config_option: Final = click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path),
    help="The configuration file; without it, INGEST_CONFIG may name one.",
)


@frozen(kw_only=True)
class Service:
    """Where the service is, and what it knows the caller by."""

    url: str
    token: str | None = field(default=None, repr=False)


def service_options(command: Command) -> Command:
    """Give a command ``--url``, ``--token-file`` and ``--json``; it takes service and as_json."""

    @click.option(
        "--url",
        default=DEFAULT_URL,
        envvar="INGEST_URL",
        show_default=True,
        help="Where the service is; or INGEST_URL.",
    )
    @click.option(
        "--token-file",
        type=click.Path(path_type=Path),
        help="A file that holds the token to authenticate with; or INGEST_TOKEN, the token.",
    )
    @json_option
    @functools.wraps(command)
    def wrapped(*args: Any, url: str, token_file: Path | None, **options: Any) -> None:
        service = Service(url=_checked(url), token=_token(token_file, os.environ))
        command(*args, service=service, **options)

    return wrapped


def fetch(service: Service, method: str, path: str, query: Query | None = None) -> Json:
    """Ask the service, and return the document that it answers with.

    Raises:
        ServiceUnreachableError: Nothing answers, or what answers refuses.
    """
    from ingest.cli.client import Client  # noqa: PLC0415 - aiohttp takes long to import

    async def ask() -> Json:
        async with Client(service) as client:
            return await client.document(method, path, query or {})

    return asyncio.run(ask())


def _checked(url: str) -> str:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        parts, usable = None, None
    if parts is not None and "@" in parts.netloc:
        raise ConfigurationError(
            "The service's URL must not hold a user or a password: "
            "give a token by --token-file or INGEST_TOKEN"
        )
    if parts is None or not usable or parts.query or parts.fragment or not url.isprintable():
        raise ConfigurationError(
            f"{url!r} is no URL of a service: give --url or INGEST_URL one like {DEFAULT_URL}"
        )
    return url.rstrip("/")


def _token(token_file: Path | None, environ: Mapping[str, str]) -> str | None:
    if token_file is None and environ.get("INGEST_TOKEN"):
        origin, token = "INGEST_TOKEN", environ["INGEST_TOKEN"]
    elif token_file is not None or environ.get("INGEST_TOKEN_FILE"):
        file = token_file or Path(environ["INGEST_TOKEN_FILE"])
        origin = f"token file {file}"
        try:
            token = file.read_text()
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "it is no text"
            raise ConfigurationError(
                f"{origin} cannot be read: {reason}: name one that holds the token"
            ) from None
    else:
        return None
    token = token.strip()
    if not token or not token.isascii() or not token.isprintable():
        raise ConfigurationError(f"{origin} does not hold a token: one line of ASCII characters")
    return token

"""The tokens that callers of the service show."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from ingest.cli import show
from ingest.cli.options import Command, Json, config_option, json_option
from ingest.errors import ConfigurationError, InvalidValueError
from ingest.model.access import AccessToken, Scope, scopes_in
from ingest.settings import DatabaseSettings, load
from ingest.settings.wording import shown

if TYPE_CHECKING:
    from ingest.storage.tokens import TokenStore

T = TypeVar("T")

_EXPIRES_MAX_DAYS = 36_500


def _database_options(command: Command) -> Command:
    """Give a command ``--database`` and ``--config``, the database that it works on."""
    option = click.option(
        "--database", "database_url", metavar="FILE-or-URL", help="Not the configured one."
    )
    return option(config_option(command))


@click.group()
def token() -> None:
    """Make, list and revoke the tokens that callers show; also while the service runs."""


@token.command()
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    type=click.Choice([scope.value for scope in Scope]),
    multiple=True,
    required=True,
    help="What it allows; operate includes read. May be given more than once.",
)
@click.option(
    "--expires-in-days",
    type=click.IntRange(1, _EXPIRES_MAX_DAYS),
    metavar="N",
    help="When it ceases to count by itself; without it, never.",
)
@_database_options
def new(
    *,
    name: str,
    scopes: tuple[str, ...],
    expires_in_days: int | None,
    database_url: str | None,
    config_file: Path | None,
) -> None:
    """Make a token, and print its secret: the only time it can be seen.

    Only a hash of it is stored. The database is made if there is none yet.
    """
    from ingest.access.errors import TokenNameTakenError  # noqa: PLC0415 - slow to import
    from ingest.access.tokens import NAME, hash_of, new_secret  # noqa: PLC0415

    if not NAME.fullmatch(name):
        raise InvalidValueError(
            f"The token's name must be of 1 to 64 letters, digits, dots, underscores and hyphens, "
            f"and begin with a letter or a digit, not {shown(name)}"
        )
    secret, now = new_secret(), datetime.now(UTC)
    made = AccessToken(
        name=name,
        scopes=scopes_in(scopes),
        created_at=now,
        expires_at=None if expires_in_days is None else now + timedelta(days=expires_in_days),
    )
    settings = _settings(database_url, config_file)
    is_new = _with_store(settings, lambda store: store.add(made, hashed=hash_of(secret)), make=True)
    if not is_new:
        raise TokenNameTakenError(
            f"There is, or was, a token named {name}: choose another name, so that histories stay "
            "plain (ingest token list shows all)"
        )
    show.line(secret)
    click.echo(
        f"Made the token {name}. Keep this secret: it is not stored, and not shown again.", err=True
    )


@token.command("list")
@_database_options
@json_option
def list_tokens(*, database_url: str | None, config_file: Path | None, as_json: bool) -> None:
    """List every token there is or was, without its secret."""
    tokens = _with_store(_settings(database_url, config_file), lambda store: store.all())
    now = datetime.now(UTC)
    documents = [_document(one, now) for one in tokens]
    if as_json:
        show.document({"tokens": documents})
        return
    show.rows(
        ["name", "state", "scopes", "created", "expires"],
        [
            [one["name"], one["state"], " ".join(one["scopes"]), one["createdAt"], one["expiresAt"]]
            for one in documents
        ],
    )


@token.command()
@click.argument("name")
@_database_options
def revoke(*, name: str, database_url: str | None, config_file: Path | None) -> None:
    """Let a token count no more, from the next request on; its name stays taken."""
    from ingest.access.errors import TokenNotFoundError  # noqa: PLC0415 - slow to import

    settings = _settings(database_url, config_file)
    revoked = _with_store(settings, lambda store: store.revoke(name))
    if revoked is None:
        raise TokenNotFoundError(
            f"There is no token named {shown(name)}: ingest token list shows all"
        )
    show.line(f"The token {revoked.name} counts no more")


def _settings(database_url: str | None, config_file: Path | None) -> DatabaseSettings:
    return load(config_file, {"database.url": database_url}, os.environ).settings.database


def _with_store(
    settings: DatabaseSettings,
    work: Callable[["TokenStore"], Awaitable[T]],
    *,
    make: bool = False,
) -> T:
    """Return what *work* makes of the tokens; beside the service, in transactions of its own."""
    if not make and not settings.path.exists():
        raise ConfigurationError(
            f"database.url = {shown(settings.url)}: there is no such file, and so no token"
        )
    # SQLAlchemy is slow to import.
    import structlog  # noqa: PLC0415

    from ingest.storage.beside import open_beside  # noqa: PLC0415
    from ingest.storage.tokens import TokenStore  # noqa: PLC0415

    # What is said of an upgrade must not get among what is printed.
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))

    async def run() -> T:
        async with open_beside(settings.path, busy_timeout_s=settings.busy_timeout_s) as database:
            return await work(TokenStore(database))

    return asyncio.run(run())


def _document(one: AccessToken, now: datetime) -> Json:
    state = "in force"
    if not one.counts(now):
        state = "expired" if one.revoked_at is None else "revoked"
    return {
        "name": one.name,
        "state": state,
        "scopes": sorted(one.scopes),
        "createdAt": _moment(one.created_at),
        "expiresAt": _moment(one.expires_at),
        "revokedAt": _moment(one.revoked_at),
    }


def _moment(at: datetime | None) -> str | None:
    return None if at is None else at.strftime("%Y-%m-%dT%H:%M:%SZ")

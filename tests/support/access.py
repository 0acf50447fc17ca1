"""Who may call what: tokens for tests, and the table of every route and every kind of caller."""

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Final

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from attrs import evolve

from ingest.access.tokens import hash_of, new_secret
from ingest.api.keys import DATABASE
from ingest.app import create_app
from ingest.model.access import AccessToken, Scope
from ingest.settings import Settings
from ingest.storage.tokens import TokenStore
from tests.support.service import Client

#: The kinds of caller, the columns of the table.
NOBODY: Final = "no token"
STRANGER: Final = "wrong token"
READ: Final = "read scope"
OPERATE: Final = "operate scope"
CROSS_SITE: Final = "cross-site"
WRONG_HOST: Final = "wrong Host"
COLUMNS: Final = (NOBODY, STRANGER, READ, OPERATE, CROSS_SITE, WRONG_HOST)

#: What an answer other than these means: the handler was asked.
REFUSALS: Final = frozenset({401, 403, 421})
LET_IN: Final = "let in"


def token_needed(settings: Settings) -> Settings:
    """Return settings with which a token is needed on loopback, too."""
    return evolve(settings, auth=evolve(settings.auth, require="always"))


async def make_token(
    app: web.Application, name: str, *scopes: Scope, expires_in: timedelta | None = None
) -> str:
    """Make a token in the database of a service that runs; return its secret."""
    return await new_token(TokenStore(app[DATABASE]), name, *scopes, expires_in=expires_in)


async def new_token(
    store: TokenStore, name: str, *scopes: Scope, expires_in: timedelta | None = None
) -> str:
    """Make a token; return its secret."""
    secret, now = new_secret(), datetime.now(UTC)
    token = AccessToken(
        name=name,
        scopes=frozenset(scopes),
        created_at=now,
        expires_at=None if expires_in is None else now + expires_in,
    )
    assert await store.add(token, hashed=hash_of(secret))
    return secret


def bearer(secret: str) -> dict[str, str]:
    """Return the header that shows a token."""
    return {"Authorization": f"Bearer {secret}"}


async def callers(app: web.Application) -> Mapping[str, Mapping[str, str]]:
    """Return the headers that each kind of caller sends, with tokens that the service knows."""
    read = bearer(await make_token(app, "reader", Scope.READ))
    operate = bearer(await make_token(app, "operator", Scope.OPERATE))
    return {
        NOBODY: {},
        STRANGER: bearer(new_secret()),
        READ: read,
        OPERATE: operate,
        CROSS_SITE: {**operate, "Sec-Fetch-Site": "cross-site"},
        WRONG_HOST: {**operate, "Host": "rebound.example"},
    }


def endpoints(app: web.Application) -> Iterable[tuple[str, str]]:
    """Yield method and path of everything that the router knows."""
    for route in app.router.routes():
        assert route.resource is not None
        yield route.method, route.resource.canonical


async def answer(client: Client, method: str, path: str, headers: Mapping[str, str]) -> str:
    """Return what one kind of caller gets of a route: the status of its refusal, or `LET_IN`.

    Nothing is done: whom the gate lets in, the handler refuses, for a parameter it does not know.
    """
    where = (
        path.format(item_id=1, instance_id=1, execution_id=1, name="docs.js")
        + "?no-such-parameter=1"
    )
    async with client.request(method, where, headers=headers) as response:
        return str(response.status) if response.status in REFUSALS else LET_IN


@asynccontextmanager
async def answering(settings: Settings) -> AsyncIterator[Client]:
    """Run a service; yield a client of it."""
    async with TestClient(TestServer(create_app(settings))) as client:
        yield client


async def table(settings: Settings) -> dict[tuple[str, str], list[str]]:
    """Return what every kind of caller gets of every endpoint, in the order of `COLUMNS`."""
    async with answering(settings) as client:
        kinds = await callers(client.app)
        return {
            (method, path): [await answer(client, method, path, kinds[kind]) for kind in COLUMNS]
            for method, path in endpoints(client.app)
        }

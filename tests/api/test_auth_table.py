"""Every endpoint and every kind of caller: the whole table, and that no route escapes it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from attrs import evolve

from ingest.api.access import DECLARED, Access, Route
from ingest.api.routes import ROUTES
from ingest.app import create_app
from ingest.model.access import Scope
from ingest.settings import Settings
from tests.conftest import settings_in
from tests.support import access
from tests.support.access import (
    COLUMNS,
    CROSS_SITE,
    LET_IN,
    NOBODY,
    OPERATE,
    READ,
    STRANGER,
    WRONG_HOST,
    bearer,
    make_token,
    token_needed,
)
from tests.support.service import Client

ENDPOINTS = sorted(set(access.endpoints(create_app(Settings()))))

#: What is neither to look (GET) nor to do something (the rest): open, or asking for its own secret.
PROBES = {"/health", "/health/live", "/health/ready"}
OWN_SECRET = {"/webhook"}
PAGES = {"/docs", "/openapi.json", "/static/{name}"}


def expected(method: str, path: str, kind: str, *, is_needed: bool) -> str:
    """Return what the specification says, without a look at what the routes declare."""
    if kind == CROSS_SITE:
        return "403"
    if kind == WRONG_HOST:
        return "421"
    if path in PROBES | OWN_SECRET | PAGES:
        return LET_IN
    if kind == STRANGER:
        return "401"
    if kind == NOBODY:
        return "401" if is_needed else LET_IN
    looks = method in ("GET", "HEAD")
    return "403" if kind == READ and not looks else LET_IN


Standing = dict[bool, tuple[Client, dict[str, dict[str, str]]]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def services(
    tmp_path_factory: pytest.TempPathFactory, empty_database: Path, sample_bank: Path
) -> AsyncIterator[Standing]:
    """Two services, one where a token is needed and one where none is, with their callers."""
    found: Standing = {}
    for is_needed in (True, False):
        settings = settings_in(tmp_path_factory.mktemp("table"), empty_database, sample_bank)
        app = create_app(token_needed(settings) if is_needed else settings)
        client = TestClient(TestServer(app))
        await client.start_server()
        callers = {kind: dict(headers) for kind, headers in (await access.callers(app)).items()}
        found[is_needed] = (client, callers)
    yield found
    for client, _ in found.values():
        await client.close()


@pytest.mark.parametrize("is_needed", [True, False], ids=["needed", "open"])
@pytest.mark.parametrize("kind", COLUMNS)
@pytest.mark.parametrize(("method", "path"), ENDPOINTS)
@pytest.mark.asyncio(loop_scope="module")
async def test_every_cell_of_the_table(
    services: Standing, method: str, path: str, kind: str, *, is_needed: bool
) -> None:
    """Each endpoint lets in just the callers that it is for, where a token is needed or not."""
    client, callers = services[is_needed]
    found = await access.answer(client, method, path, callers[kind])
    assert found == expected(method, path, kind, is_needed=is_needed)


def test_every_route_of_the_router_is_declared() -> None:
    """There is no route, HEAD included, that says nothing about its callers."""
    app = create_app(Settings())
    declared = app[DECLARED]
    assert set(app.router.routes()) == set(declared)
    assert all(isinstance(route, Route) for route in ROUTES)


def test_a_route_cannot_leave_it_out() -> None:
    """A route that is made without it is not made at all."""
    with pytest.raises(TypeError, match="access"):
        Route("GET", "/x", ROUTES[0].handler, {})  # type: ignore[call-arg]


async def test_a_route_that_came_in_beside_the_list_is_closed(settings: Settings) -> None:
    """Whatever is added to the application without a declaration takes the scope to operate."""

    async def beside(_request: web.Request) -> web.Response:
        return web.Response(text="here")

    app = create_app(token_needed(settings))
    app.router.add_get("/beside", beside)
    async with TestClient(TestServer(app)) as client:
        callers = await access.callers(app)
        statuses = [
            (await client.get("/beside", headers=callers[kind])).status
            for kind in (NOBODY, READ, OPERATE)
        ]
    assert statuses == [401, 403, 200]


async def test_metrics_are_open_only_where_the_settings_say_so(settings: Settings) -> None:
    """A route for metrics takes ingest:read, or nothing where auth.metrics_open is set."""

    async def metrics(_request: web.Request) -> web.Response:
        return web.Response(text="up 1")

    for is_open, statuses in ((False, [401, 200]), (True, [200, 200])):
        auth = evolve(settings.auth, require="always", metrics_open=is_open)
        app = create_app(evolve(settings, auth=auth))
        route = app.router.add_get("/some-metrics", metrics, allow_head=False)
        app[DECLARED][route] = Access.METRICS
        async with TestClient(TestServer(app)) as client:
            secret = await make_token(app, f"scraper-{is_open}", Scope.READ)
            found = [await client.get("/some-metrics", headers=h) for h in ({}, bearer(secret))]
            assert [response.status for response in found] == statuses

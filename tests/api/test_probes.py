"""Probes go a shorter way than other requests, and nobody can tell by the answer."""

import asyncio
from typing import Final

import pytest
from aiohttp import ClientResponse

from ingest.settings import Settings
from tests.support.processes import serving, session
from tests.support.scrape import scrape
from tests.support.service import DEADLINE_S, Client

#: The browser's defences look at this, and have nothing against it.
LONG_WAY: Final = {"Sec-Fetch-Site": "none"}
PROBES: Final = ("/health/live", "/health/ready")


async def told(answer: ClientResponse) -> tuple[int, bytes, dict[str, str]]:
    """Return what an answer says, but for what differs from one to the next."""
    headers = {name: value for name, value in answer.headers.items() if name != "Date"}
    assert len(headers.pop("X-Request-ID")) == 32
    return answer.status, await answer.read(), headers


@pytest.mark.parametrize("path", PROBES)
async def test_both_ways_answer_the_same(client: Client, path: str) -> None:
    """Status, body and every header are those of the long way; so is the count."""
    long = await told(await client.get(path, headers=LONG_WAY))
    assert await told(await client.get(path)) == long
    assert await told(await client.get(path)) == long
    labels = {"route": path, "method": "GET"}
    found = await scrape(client)
    assert found.value("ingest_http_requests_total", status="200", **labels) == 3
    assert found.value("ingest_http_request_duration_seconds_count", **labels) == 3


@pytest.mark.parametrize("path", PROBES)
async def test_what_is_refused_is_refused_still(client: Client, path: str) -> None:
    """A name that is not the service's, and the page of another site, also after good ones."""
    assert (await client.get(path)).status == 200
    assert (await client.get(path)).status == 200
    assert (await client.get(path, headers={"Sec-Fetch-Site": "cross-site"})).status == 403
    assert (await client.get(path, headers={"Host": "evil.example"})).status == 421
    assert (await client.post(path)).status == 405
    head = await client.head(path)
    assert (head.status, await head.read()) == (200, b"")


async def test_the_log_line_is_the_same(settings: Settings) -> None:
    """At DEBUG, with method, path, status and the request's id."""
    debug = {"INGEST_LOG_LEVEL": "DEBUG"}
    async with serving(settings, environ=debug) as service, session(service) as client:
        await client.get("/health/ready")  # its host is looked at, and is not next time
        for number, headers in enumerate(({}, LONG_WAY)):
            await client.get("/health/live", headers={"X-Request-ID": f"{number}", **headers})
        async with asyncio.timeout(DEADLINE_S):
            while not {"0", "1"} <= {line.get("request_id") for line in service.lines}:
                assert await service.read_line()
    short, long = (line for line in service.lines if line.get("request_id") in ("0", "1"))
    assert (short.pop("request_id"), long.pop("request_id")) == ("0", "1")
    assert short.pop("timestamp") < long.pop("timestamp")
    assert short == long
    assert short["level"] == "debug"
    assert short["path"] == "/health/live"


@pytest.mark.parametrize("path", PROBES)
async def test_a_request_id_is_kept_or_made(client: Client, path: str) -> None:
    """What is an id comes back, what is none does not."""
    for given, is_kept in (("abc-1", True), ("a b", False), ("x" * 129, False)):
        for headers in ({}, LONG_WAY):
            answer = await client.get(path, headers={"X-Request-ID": given, **headers})
            assert (answer.headers["X-Request-ID"] == given) == is_kept

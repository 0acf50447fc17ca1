"""What a browser is made to send is refused, and every answer tells it what it may do."""

import asyncio
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from attrs import evolve

from ingest.api.browser import API_POLICY, PAGE_POLICY
from ingest.app import create_app
from ingest.settings import Settings, WebhookSettings
from tests.support.access import answering
from tests.support.scripted_job import ScriptedJob
from tests.support.service import DEADLINE_S, Client, get, use_jobs

HOSTS_OF_OURS = [
    "localhost",
    "localhost:9081",
    "LocalHost:1",
    "localhost.",
    "127.0.0.1",
    "127.0.0.1:80",
    "127.8.9.10:9081",
    "[::1]",
    "[::1]:9081",
    "10.1.2.3:8080",
    "[fe80::1]:9081",
]
HOSTS_OF_OTHERS = [
    "rebound.example",
    "rebound.example:9081",
    "localhost.rebound.example",
    "127.0.0.1.rebound.example",
    "127.0.0.1@rebound.example",
    "rebound.example@127.0.0.1",
    "localhost:9081:9081",
    "localhost:x",
    "local host",
    "127.0.0.1:99999999",
    "2130706433",
    "0x7f.1",
    "[::1",
    "[localhost]",
    "",
    "\u4f8b",
]


@pytest.mark.parametrize("host", HOSTS_OF_OURS)
@pytest.mark.asyncio(loop_scope="session")
async def test_our_names_and_any_address_are_answered(standing: Client, host: str) -> None:
    """Localhost and addresses, with any port, are what the service is called: no page has them."""
    for path in ("/jobs", "/health/live"):
        assert (await standing.get(path, headers={"Host": host})).status == 200


@pytest.mark.parametrize("host", HOSTS_OF_OTHERS)
@pytest.mark.asyncio(loop_scope="session")
async def test_other_names_are_refused(standing: Client, host: str) -> None:
    """A name that somebody else may let resolve to us is a 421, for probes and wrong paths too."""
    for path in ("/jobs", "/health/live", "/nowhere", "/abandon/1"):
        response = await standing.get(path, headers={"Host": host})
        assert response.status == 421
        assert "server.allowed_hosts" in await response.text()


async def test_names_can_be_allowed(settings: Settings) -> None:
    """The host that is listened on, those of server.allowed_hosts, and the webhook's are ours."""
    server = evolve(
        settings.server, host="Ingest-1", allowed_hosts=("ingest.example.org", "ingest")
    )
    webhook = WebhookSettings(url="https://Hook.example:8443/webhook")
    app = create_app(evolve(settings, server=server, webhook=webhook), allow_unauthenticated=True)
    async with TestClient(TestServer(app)) as client:
        for host, status in (
            ("ingest-1:9081", 200),
            ("Ingest.example.org", 200),
            ("ingest.example.org.:80", 200),
            ("ingest", 200),
            ("hook.example", 200),
            ("example.org", 421),
            ("x.ingest.example.org", 421),
        ):
            assert (await client.get("/jobs", headers={"Host": host})).status == status


async def raw(client: Client, request: bytes) -> bytes:
    """Return what the service sends back to these bytes, until it closes the connection."""
    assert client.port is not None
    async with asyncio.timeout(DEADLINE_S):
        reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
        writer.write(request)
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
    return answer


async def test_requests_without_a_host(client: Client) -> None:
    """HTTP/1.1 requires the header, HTTP/1.0 does not know it; two of them are no request."""
    close = b"Connection: close\r\n\r\n"
    assert b" 400 " in (await raw(client, b"GET /jobs HTTP/1.1\r\n" + close))[:40]
    assert b" 200 " in await raw(client, b"GET /jobs HTTP/1.0\r\n" + close)
    both = b"Host: localhost\r\nHost: rebound.example\r\n"
    assert b" 400 " in (await raw(client, b"GET /jobs HTTP/1.1\r\n" + both + close))[:40]


LINK = {"Sec-Fetch-Mode": "navigate"}


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/jobs", {"Sec-Fetch-Site": "same-origin"}, 200),
        ("GET", "/jobs", {"Sec-Fetch-Site": "none"}, 200),
        ("GET", "/jobs", {"Sec-Fetch-Site": "cross-site"}, 403),
        ("GET", "/jobs", {"Sec-Fetch-Site": "same-site"}, 403),
        ("GET", "/jobs", {"Sec-Fetch-Site": "cross-site", **LINK}, 200),
        ("HEAD", "/jobs", {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}, 403),
        ("GET", "/health/live", {"Sec-Fetch-Site": "cross-site"}, 403),
        ("GET", "/nowhere", {"Sec-Fetch-Site": "cross-site"}, 403),
        ("PUT", "/abandon/1", {"Sec-Fetch-Site": "same-origin"}, 200),
        ("PUT", "/abandon/1", {"Sec-Fetch-Site": "none"}, 200),
        ("PUT", "/abandon/1", {"Sec-Fetch-Site": "cross-site"}, 403),
        ("PUT", "/abandon/1", {"Sec-Fetch-Site": "same-site"}, 403),
        ("PUT", "/abandon/1", {"Sec-Fetch-Site": "odd"}, 403),
        ("PUT", "/abandon/1", {"Sec-Fetch-Site": "cross-site", **LINK}, 403),
        ("POST", "/sync", {"Sec-Fetch-Site": "cross-site", **LINK}, 403),
        ("OPTIONS", "/abandon/1", {"Sec-Fetch-Site": "cross-site"}, 403),
        ("OPTIONS", "/abandon/1", {"Origin": "https://evil.example"}, 403),
        ("PUT", "/abandon/1", {"Origin": "https://evil.example"}, 403),
        ("PUT", "/abandon/1", {"Origin": "null"}, 403),
        ("PUT", "/abandon/1", {"Origin": ""}, 403),
        ("PUT", "/abandon/1", {"Host": "localhost:9081", "Origin": "http://localhost:3000"}, 403),
        ("PUT", "/abandon/1", {"Host": "localhost:9081", "Origin": "http://localhost"}, 403),
        ("PUT", "/abandon/1", {"Host": "localhost", "Origin": "http://localhost:9081"}, 403),
        ("PUT", "/abandon/1", {"Host": "localhost:9081", "Origin": "ftp://localhost:9081"}, 403),
        ("PUT", "/abandon/1", {"Host": "localhost:9081", "Origin": "http://localhost:9081"}, 200),
        ("PUT", "/abandon/1", {"Host": "localhost:9081", "Origin": "https://localhost:9081"}, 200),
        ("PUT", "/abandon/1", {"Host": "localhost:80", "Origin": "http://localhost"}, 200),
        ("PUT", "/abandon/1", {"Host": "localhost", "Origin": "https://localhost:443"}, 200),
        ("PUT", "/abandon/1", {}, 200),
        ("GET", "/jobs", {"Origin": "https://evil.example"}, 200),
    ],
)
@pytest.mark.asyncio(loop_scope="session")
async def test_what_pages_of_others_send_is_refused(
    standing: Client, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    """By Sec-Fetch-Site, and by Origin for what changes something; curl sends neither."""
    response = await standing.request(method, path, headers=headers)
    assert response.status == status
    allowing = [name for name in response.headers if name.startswith("Access-Control-")]
    assert allowing == []


async def test_behind_a_proxy_our_public_names_are_our_origin(settings: Settings) -> None:
    """A proxy may change Host; the browser then knows the service by an allowed name."""
    server = evolve(settings.server, allowed_hosts=("ingest.example.org",))
    async with answering(evolve(settings, server=server)) as client:
        for origin, status in (
            ("https://ingest.example.org", 200),
            ("https://ingest.example.org:8443", 403),
            ("https://x.ingest.example.org", 403),
        ):
            response = await client.put("/abandon/1", headers={"Origin": origin})
            assert response.status == status


HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Server": "ingest",
}


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("GET", "/jobs", {}),
        ("GET", "/jobs", {"Host": "rebound.example"}),
        ("GET", "/jobs", {"Authorization": "Bearer x"}),
        ("GET", "/jobs?x", {"Accept": "application/json"}),
        ("GET", "/nowhere", {}),
        ("DELETE", "/jobs", {}),
        ("GET", "/health", {}),
        ("GET", "/health/live", {}),
        ("HEAD", "/health/ready", {}),
        ("PUT", "/abandon/x", {"Origin": "null"}),
        ("POST", "/sync?x", {"Expect": "the unexpected"}),
    ],
)
@pytest.mark.asyncio(loop_scope="session")
async def test_every_answer_has_the_headers(
    standing: Client, method: str, path: str, headers: dict[str, str]
) -> None:
    """Probes and refusals too: nothing may be framed, sniffed, cached or run."""
    response = await standing.request(method, path, headers=headers)
    found = {name: response.headers[name] for name in HEADERS}
    assert found == HEADERS
    assert response.headers["Content-Security-Policy"] == API_POLICY
    assert response.headers["Cache-Control"] == "no-store"


async def test_a_stream_has_the_headers(app: web.Application) -> None:
    """An event stream has them too; that it is not cached it says itself."""
    job = ScriptedJob()
    use_jobs(app, job)
    async with TestClient(TestServer(app)) as client:
        assert (await client.post("/sync")).status == 200
        async with client.get("/executions/1/events") as response:
            assert response.headers["Content-Security-Policy"] == API_POLICY
            assert response.headers["Cache-Control"] == "no-cache"
            assert response.headers["X-Content-Type-Options"] == "nosniff"


async def test_a_page_may_use_what_comes_from_here_and_nothing_else(settings: Settings) -> None:
    """HTML gets the policy of pages, unless its handler sets a stricter or looser one."""

    async def page(request: web.Request) -> web.Response:
        own = {"Content-Security-Policy": "x", "Cache-Control": "max-age=5"}
        headers = own if "own" in request.query else {}
        return web.Response(text="<p>", content_type="text/html", headers=headers)

    app = create_app(settings)
    app.router.add_get("/page", page)
    async with TestClient(TestServer(app)) as client:
        response = await client.get("/page")
        assert response.headers["Content-Security-Policy"] == PAGE_POLICY
        assert "unsafe" not in PAGE_POLICY
        assert "http" not in PAGE_POLICY
        response = await client.get("/page?own")
        assert response.headers["Content-Security-Policy"] == "x"
        assert response.headers["Cache-Control"] == "max-age=5"


async def test_the_clients_examples_work_without_any_configuration(
    tmp_path: Path, bank_dir: Path
) -> None:
    """What curl sends gets through on a service that nobody has configured."""
    settings = Settings()
    settings = evolve(
        settings,
        database=evolve(settings.database, url=str(tmp_path / "ingest.db")),
        bank=evolve(settings.bank, url=str(bank_dir)),
    )
    async with answering(settings) as client:
        curl = {"User-Agent": "curl/8.5.0", "Accept": "*/*"}
        for host in ("localhost", "127.0.0.1"):
            headers = {**curl, "Host": f"{host}:{client.port}"}
            assert (await client.put("/abandon/1", headers=headers)).status == 200
        assert (await get(client, "/executions"))["executions"] == []

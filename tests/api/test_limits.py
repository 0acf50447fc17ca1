"""How much is taken in, over real sockets: beyond each limit the answer is a refusal."""

import asyncio
import gzip
from collections.abc import AsyncIterator

import pytest
import structlog
from aiohttp import web
from attrs import evolve

from ingest.access.tokens import new_secret
from ingest.api.browser import API_POLICY
from ingest.app import create_app
from ingest.connections import FIRST_LINE_BYTES_MAX, HEADERS_MAX, LINE_BYTES_MAX
from ingest.settings import Settings
from tests.support.scripted_job import ScriptedJob
from tests.support.service import DEADLINE_S, use_jobs
from tests.support.wire import ROOMY, Wire, listening, request

BODY_BYTES = 1000

#: So short that a test waits for it gladly.
SOON_S = 0.2


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Settings with small limits."""
    server = evolve(
        settings.server,
        max_body_bytes=BODY_BYTES,
        max_event_streams=2,
        max_requests=256,
    )
    return evolve(settings, server=server)


@pytest.fixture
async def wire(app: web.Application) -> AsyncIterator[Wire]:
    """The service, listening."""
    async with listening(app) as wire:
        yield wire


def chunked(*chunks: bytes) -> bytes:
    """Return a body in chunks, without its end."""
    return b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)


CHUNKED = "Transfer-Encoding: chunked"
END = b"0\r\n\r\n"


@pytest.mark.parametrize(
    ("head", "body"),
    [
        (f"Content-Length: {BODY_BYTES + 1}", b""),
        ("Content-Length: 99999999999999", b"x"),
        (CHUNKED, chunked(b"x" * (BODY_BYTES + 1))),
        (CHUNKED, chunked(*[b"x" * 100] * 11)),
        (CHUNKED, chunked(*[b"x" * 100] * 11) + END),
    ],
)
async def test_a_body_that_is_too_long_is_refused(wire: Wire, head: str, body: bytes) -> None:
    """413 as soon as that is known, with the limit; nothing is done, the connection is closed."""
    line = await wire.connect(request("POST", "/sync", head) + body)
    status, headers, text = await line.answer()
    assert status == 413
    assert f"{BODY_BYTES} bytes (server.max_body_bytes)" in text
    assert headers["connection"] == "close"
    assert headers["content-security-policy"] == API_POLICY
    line.writer.write_eof()
    assert await line.rest() == b""
    assert (await wire.ask(request("GET", "/executions")))[2].startswith('{"executions":[]')


@pytest.mark.parametrize(
    ("head", "body"),
    [
        (f"Content-Length: {BODY_BYTES}", b"x" * BODY_BYTES),
        (CHUNKED, chunked(*[b"x" * 100] * 10) + END),
        (CHUNKED, END),
    ],
)
async def test_a_body_up_to_the_limit_is_taken(wire: Wire, head: str, body: bytes) -> None:
    """It is read, and the connection serves the next request."""
    line = await wire.connect(request("PUT", "/abandon/1", head) + body)
    for _ in range(2):
        assert (await line.answer())[0] == 200
        await line.send(request("PUT", "/abandon/2"))
    assert (await line.answer())[0] == 200


async def test_a_packed_body_is_not_unpacked(wire: Wire) -> None:
    """Nobody can make a small body a large one on arrival."""
    bomb = gzip.compress(b"x" * 400 * BODY_BYTES)
    assert len(bomb) < BODY_BYTES
    head = request("PUT", "/abandon/1", "Content-Encoding: gzip", f"Content-Length: {len(bomb)}")
    assert (await wire.ask(head + bomb))[0] == 200


@pytest.mark.parametrize(
    "body",
    [
        b"zz\r\nxx\r\n" + END,
        b"-5\r\nxx\r\n" + END,
        b"5\r\nxx\r\n" + END,
        b"ffffffffffffffffff\r\nxx",
        b"\r\n\r\n",
    ],
)
async def test_a_body_with_broken_framing_is_a_bad_request(wire: Wire, body: bytes) -> None:
    """What is no chunk is a 400, and the end of the connection."""
    line = await wire.connect(request("POST", "/sync", CHUNKED) + body)
    status, headers, _ = await line.answer()
    assert status == 400
    assert headers["content-security-policy"] == API_POLICY
    assert (await wire.ask(request("GET", "/executions")))[2].startswith('{"executions":[]')


async def test_a_body_that_does_not_come_is_given_up(settings: Settings) -> None:
    """408 when it has not come in time, whether a part of it came or none; nothing is done."""
    app = create_app(evolve(settings, server=evolve(settings.server, request_within_s=SOON_S)))
    async with listening(app) as wire:
        for head, body in (("Content-Length: 5", b"x"), (CHUNKED, b""), (CHUNKED, b"5\r\nx")):
            line = await wire.connect(request("POST", "/sync", head) + body)
            status, headers, text = await line.answer()
            assert (status, headers["connection"]) == (408, "close")
            assert f"within {SOON_S} seconds" in text
            line.writer.write_eof()
            assert await line.rest() == b""
        assert (await wire.ask(request("GET", "/executions")))[2].startswith('{"executions":[]')


async def test_a_caller_who_hangs_up_is_no_fault(app: web.Application) -> None:
    """In the middle of a head, of a body or of an answer: the log has no complaint about it."""
    job = ScriptedJob()
    use_jobs(app, job)
    with structlog.testing.capture_logs() as lines:
        async with listening(app) as wire:
            assert await wire.status("POST", "/sync") == 200
            for data in (
                b"GET /jobs HT",
                request("POST", "/sync", "Content-Length: 5") + b"x",
                request("GET", "/executions/1/events"),
                request("PUT", "/abandon/2"),
            ):
                line = await wire.connect(data)
                assert await wire.status("GET", "/jobs") == 200
                line.writer.transport.abort()
            assert await wire.status("GET", "/jobs") == 200
    assert [line for line in lines if line["log_level"] in ("warning", "error")] == []


SECRET = new_secret()
LONG = "x" * LINE_BYTES_MAX
LONGER = "x" * FIRST_LINE_BYTES_MAX


@pytest.mark.parametrize(
    ("data", "status", "words"),
    [
        (request("GET", "/jobs", f"Authorization: Bearer {SECRET}{LONG}"), 431, "8190 bytes"),
        (request("GET", f"/jobs?{SECRET}{LONGER}"), 431, "32768 bytes"),
        (request("GET", "/jobs", f"{SECRET}{LONG}: x"), 431, "8190 bytes"),
        (request("GET", "/jobs", *[f"X-{n}: {SECRET}" for n in range(HEADERS_MAX)]), 400, "100"),
        (request("GET", "/jobs", f"Authorization: Bearer {SECRET}\x01"), 400, "header"),
        (request("GET", "/jobs", f"{SECRET} x: y"), 400, "header"),
        (request("GET", "/jobs", "Content-Length: 1", "Content-Length: 2"), 400, "framing"),
        (request("POST", "/sync", "Content-Length: 3", CHUNKED), 400, "framing"),
        (request("POST", "/sync", "Content-Length: -3"), 400, "framing"),
        (f"{SECRET}\r\n\r\n".encode(), 400, "no HTTP"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400, "https"),
        (b"GET /jobs HTTP/9.9\r\nHost: localhost\r\n\r\n", 400, "no HTTP"),
        (b"GET  HTTP/1.1\r\nHost: localhost\r\n\r\n", 400, ""),
    ],
)
async def test_what_is_no_request_is_refused_without_repeating_it(
    wire: Wire, caplog: pytest.LogCaptureFixture, data: bytes, status: int, words: str
) -> None:
    """A head that is too large or cannot be read: words in our form, and no byte of it anywhere."""
    with structlog.testing.capture_logs() as lines:
        line = await wire.connect(data)
        found, headers, text = await line.answer()
        assert await line.rest() == b""
    assert found == status
    assert words in text
    assert headers["content-security-policy"] == API_POLICY
    assert headers["server"] == "ingest"
    assert headers["x-request-id"]
    assert SECRET not in f"{headers} {text} {lines} {caplog.records}"
    assert caplog.records == []
    assert [one["log_level"] for one in lines] == ["info"]
    assert await wire.status("GET", "/health/live") == 200


async def test_a_head_that_does_not_come_is_given_up(app: web.Application) -> None:
    """A connection without a whole head is closed in time, however many bytes trickle in.

    One that has done its work and waits for the next request is not.
    """
    async with listening(app, evolve(ROOMY, head_within_s=SOON_S)) as wire:
        kept = await wire.connect(request("GET", "/health/live"))
        assert (await kept.answer())[0] == 200
        silent = await wire.connect()
        half = await wire.connect(b"GET /health/live HTTP/1.1\r\nHost: loc")
        second = await wire.connect(request("GET", "/health/live"))
        assert (await second.answer())[0] == 200
        await second.send(b"GET /health/li")

        async def trickle() -> None:
            line = await wire.connect(b"GET /health/live HTTP/1.1\r\nX: ")
            closed = asyncio.create_task(line.rest())
            while not closed.done():
                line.writer.write(b"x")
                await asyncio.wait({closed}, timeout=SOON_S / 20)

        async with asyncio.timeout(DEADLINE_S):
            await trickle()
        for line in (silent, half, second):
            assert await line.rest() == b""
        await kept.send(request("GET", "/health/live"))
        assert (await kept.answer())[0] == 200


async def test_a_connection_that_is_left_idle_is_closed(app: web.Application) -> None:
    """After its last answer a connection is kept for a while, and no longer."""
    async with listening(app, evolve(ROOMY, keep_alive_s=SOON_S)) as wire:
        line = await wire.connect(request("GET", "/health/live"))
        assert (await line.answer())[0] == 200
        assert await line.rest() == b""


async def test_a_reader_that_stands_still_is_given_up(app: web.Application) -> None:
    """An answer that nobody takes in does not wait for ever, and ends what sends it."""
    cut = asyncio.Event()

    async def flood(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(b"x" * 1_000_000)
        except ConnectionError:
            cut.set()
            raise

    app.router.add_get("/flood", flood)
    async with listening(app, evolve(ROOMY, stalled_s=SOON_S)) as wire:
        line = await wire.connect()
        line.writer.transport.pause_reading()  # type: ignore[attr-defined]  # of every socket's
        await line.send(request("GET", "/flood"))
        async with asyncio.timeout(DEADLINE_S):
            await cut.wait()


async def test_256_requests_are_worked_on_at_the_same_time(app: web.Application) -> None:
    """As many as are allowed wait for one abandon; more are 503, looks and probes are answered.

    When the job has wound down every one of them gets its answer.
    """
    job = ScriptedJob()
    use_jobs(app, job)
    async with listening(app) as wire:
        assert await wire.status("POST", "/sync") == 200
        async with asyncio.timeout(DEADLINE_S):
            await job.started.wait()
        lines = [await wire.connect(request("PUT", "/abandon/1")) for _ in range(256)]
        async with asyncio.timeout(DEADLINE_S):
            await job.told_to_stop.wait()
            while (asked := await wire.ask(request("PUT", "/abandon/2")))[0] == 200:
                pass  # the last of them are still on their way
        status, headers, text = asked
        assert (status, headers["retry-after"]) == (503, "2")
        assert "256 requests to operate are under way" in text
        for path in ("/health/live", "/health/ready", "/health", "/jobs"):
            assert await wire.status("GET", path) == 200
        job.may_wind_down.set()
        answers = [await line.answer() for line in lines]
        assert {status for status, _, _ in answers} == {200}
        assert all('"status":"ABANDONED"' in body for _, _, body in answers)
        assert await wire.status("PUT", "/abandon/1") == 200


async def test_those_who_look_do_not_crowd_out_an_abandon(settings: Settings) -> None:
    """While no more looks are taken, an abandon is."""
    app = create_app(evolve(settings, server=evolve(settings.server, max_requests=1)))
    job = ScriptedJob()
    use_jobs(app, job)
    async with listening(app) as wire:
        assert await wire.status("POST", "/sync") == 200
        stream = await wire.connect(request("GET", "/executions/1/events"))
        async with asyncio.timeout(DEADLINE_S):
            assert (await stream.reader.readline()).startswith(b"HTTP/1.1 200 ")
        assert await wire.status("GET", "/jobs") == 503
        job.may_wind_down.set()
        assert await wire.status("PUT", "/abandon/1") == 200


async def test_event_streams_beyond_the_limit_are_refused(app: web.Application) -> None:
    """So many streams and no more; one whose client has gone makes room."""
    job = ScriptedJob()
    use_jobs(app, job)
    async with listening(app) as wire:
        assert await wire.status("POST", "/sync") == 200
        stream = request("GET", "/executions/1/events")
        lines = [await wire.connect(stream) for _ in range(2)]
        for line in lines:
            async with asyncio.timeout(DEADLINE_S):
                assert (await line.reader.readline()).startswith(b"HTTP/1.1 200 ")
        status, headers, text = await wire.ask(stream)
        assert (status, headers["retry-after"]) == (503, "2")
        assert "2 event streams are under way" in text
        assert await wire.status("GET", "/executions/1") == 200
        lines[0].writer.close()
        # Well before the next sign of life on the stream would fail.
        async with asyncio.timeout(4.0):
            while (await wire.ask(stream))[0] == 503:
                pass
        job.may_end.set()

"""How many connections there are, over real sockets, and who goes when one more comes."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from contextlib import ExitStack

from aiohttp import web
from attrs import evolve

from ingest.api.browser import API_POLICY, HEADERS
from tests.support.service import DEADLINE_S
from tests.support.wire import HOST, ROOMY, Line, Wire, listening, request

#: So short that a test waits for it gladly.
SOON_S = 0.2

#: A request whose body is still to come: it is under way for as long as that takes.
UNDER_WAY = request("POST", "/sync/100001", "Content-Length: 10") + b"x"

PROBE = request("GET", "/health/live")

#: Makes a connection with an answer on it that nobody takes; returns it as the service has it.
Leave = Callable[[Wire], Awaitable[asyncio.Transport]]


def leaving_a_few_bytes(app: web.Application) -> Leave:
    """Return what makes connections with an answer on them that fills the kernel's buffers only."""
    lines: asyncio.Queue[asyncio.Transport] = asyncio.Queue()

    async def seep(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        line = request.transport
        assert line is not None
        while line.get_write_buffer_size() == 0:
            await response.write(b"x" * 1000)
        lines.put_nowait(line)
        return response

    async def leave(wire: Wire) -> asyncio.Transport:
        unread = await wire.connect()
        unread.writer.transport.pause_reading()  # type: ignore[attr-defined]  # of every socket's
        await unread.send(request("GET", "/seep"))
        async with asyncio.timeout(DEADLINE_S):
            return await lines.get()

    app.router.add_get("/seep", seep)
    return leave


async def probe(line: Line) -> int:
    """Return the status of a probe on a connection."""
    await line.send(PROBE)
    return (await line.answer())[0]


async def test_connections_beyond_the_limit_are_told_so(app: web.Application) -> None:
    """One too many gets a 503 and is closed; when another has gone there is room again."""
    async with listening(app, evolve(ROOMY, max_connections=3)) as wire:
        lines = [await wire.connect(UNDER_WAY) for _ in range(3)]
        async with asyncio.timeout(DEADLINE_S):
            while await wire.status("GET", "/health/live") != 503:
                lines.append(await wire.connect(UNDER_WAY))  # one of them was idle still
        over = await wire.connect()
        status, headers, _ = await over.answer()
        assert (status, headers["retry-after"], headers["connection"]) == (503, "2", "close")
        assert headers["content-type"] == "text/plain; charset=utf-8"
        assert {name: headers[name.lower()] for name in HEADERS} == HEADERS
        assert headers["content-security-policy"] == API_POLICY
        assert headers["cache-control"] == "no-store"
        assert await over.rest() == b""
        for line in lines:
            line.writer.close()
        async with asyncio.timeout(DEADLINE_S):
            while await wire.status("GET", "/health/live") != 200:
                pass


async def test_connections_that_wait_for_a_request_make_room(app: web.Application) -> None:
    """No crowd of idle connections keeps others out: who has been idle longest has to go."""
    async with listening(app, evolve(ROOMY, max_connections=4)) as wire:
        kept = await wire.connect()
        assert await probe(kept) == 200
        silent = await wire.connect()
        half = await wire.connect(PROBE[:-5])
        again = await wire.connect()
        for line in (again, kept):
            assert await probe(line) == 200
        for goes in (silent, half, again):
            assert await probe(await wire.connect()) == 200
            assert await goes.rest() == b""
        assert await probe(kept) == 200


async def test_a_connection_that_makes_room_does_not_wait_for_its_reader(
    app: web.Application,
) -> None:
    """Else those who read nothing could hold more connections than there may be."""
    leave = leaving_a_few_bytes(app)
    async with listening(app, evolve(ROOMY, max_connections=1)) as wire:
        line = await leave(wire)
        async with asyncio.timeout(DEADLINE_S):
            while await wire.status("GET", "/health/live") != 200:
                pass
        assert line.get_write_buffer_size() == 0


async def test_a_reader_that_leaves_a_few_bytes_is_given_up(app: web.Application) -> None:
    """Nobody keeps a connection by leaving less of an answer than asyncio tells of."""
    leave = leaving_a_few_bytes(app)
    async with listening(app, evolve(ROOMY, stalled_s=SOON_S)) as wire:
        line = await leave(wire)
        async with asyncio.timeout(DEADLINE_S):
            while not line.is_closing():
                assert await wire.status("GET", "/health/live") == 200
        assert line.get_write_buffer_size() == 0


async def test_a_crowd_that_comes_at_once_is_waited_for(app: web.Application) -> None:
    """Hundreds of connections before the service accepts the first: none has to be asked for again.

    For that their systems would wait a second, and so would that of a probe among them.
    """
    async with listening(app) as wire:
        with ExitStack() as stack:
            for _ in range(250):
                # Nothing is accepted meanwhile: it blocks the loop that would.
                stack.enter_context(socket.create_connection((HOST, wire.port), timeout=0.8))
            assert await wire.status("GET", "/health/live") == 200

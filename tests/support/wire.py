"""The service on a real socket with its own limits of connections, and bytes sent to it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from aiohttp import web
from attrs import define, field

from ingest.api.crowd import ConnectionLimits
from ingest.connections import Site
from tests.support.service import DEADLINE_S

HOST: Final = "127.0.0.1"

#: The limits of a test that is about others.
ROOMY: Final = ConnectionLimits(max_connections=10_000, head_within_s=DEADLINE_S)


@define(eq=False)
class Line:
    """A connection, as a client holds it."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        """Send bytes."""
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self) -> tuple[int, dict[str, str], str]:
        """Return the next answer: status, headers by their names in lower case, body."""
        async with asyncio.timeout(DEADLINE_S):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
            first, *lines = head.splitlines()
            headers = {
                name.lower(): value.strip()
                for name, _, value in (line.partition(":") for line in lines if line)
            }
            body = await self.reader.readexactly(int(headers.get("content-length", "0")))
        return int(first.split()[1]), headers, body.decode()

    async def rest(self) -> bytes:
        """Return what comes until the service closes the connection."""
        async with asyncio.timeout(DEADLINE_S):
            try:
                return await self.reader.read()
            except ConnectionError:
                return b""


@define(eq=False)
class Wire:
    """Where the service listens."""

    port: int
    lines: list[Line] = field(factory=list)

    async def connect(self, data: bytes = b"") -> Line:
        """Open a connection, and send something on it."""
        line = Line(*await asyncio.open_connection(HOST, self.port))
        self.lines.append(line)
        await line.send(data)
        return line

    async def ask(self, data: bytes) -> tuple[int, dict[str, str], str]:
        """Send something on a connection of its own; return the answer to it."""
        return await (await self.connect(data)).answer()

    async def status(self, method: str, path: str) -> int:
        """Return the status of the answer to a plain request."""
        return (await self.ask(request(method, path)))[0]


def request(method: str, path: str, *headers: str) -> bytes:
    """Return the head of a request."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", *headers, "", ""]
    return "\r\n".join(lines).encode()


@asynccontextmanager
async def listening(app: web.Application, limits: ConnectionLimits = ROOMY) -> AsyncIterator[Wire]:
    """Let a service listen; on leaving it is gone, and so are the connections to it."""
    loop = asyncio.get_running_loop()
    before = loop.get_exception_handler()
    runner = web.AppRunner(app, handle_signals=False, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await Site(runner, HOST, 0, limits=limits).start()
        wire = Wire(port=runner.addresses[0][1])
        try:
            yield wire
        finally:
            for line in wire.lines:
                line.writer.transport.abort()
    finally:
        await runner.cleanup()
        loop.set_exception_handler(before)

"""The service as a process of its own, what it logs, and what it leaves in the database."""

import asyncio
import os
import sqlite3
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import orjson
import pytest
from aiohttp import ClientSession
from attrs import define, field

from ingest.settings import Settings

ROOT: Final = Path(__file__).parents[2]

#: A process imports and opens much before it is ready, on a busy machine slowly.
DEADLINE_S: Final = 20.0

#: What the tests of processes run in the place of the package: the one executable.
EXECUTABLE: Final = os.environ.get("PROJECT_PROGRAM")

#: How the command line is started.
INGEST: Final = [EXECUTABLE] if EXECUTABLE else [sys.executable, "-m", "ingest"]

#: So slow that a synchronization of the sample bank outlasts every test.
ITEMS_PER_S: Final = 0.2

Line = dict[str, Any]


@define(eq=False, kw_only=True)
class Process:
    """``ingest serve`` under way, and what it has logged."""

    process: asyncio.subprocess.Process
    lines: list[Line] = field(factory=list)

    async def logged(self, *events: str) -> Line:
        """Return the first line with one of these events that comes, or has come."""

        def fits(line: Line) -> bool:
            return line.get("event") in events

        try:
            async with asyncio.timeout(DEADLINE_S):
                while not any(map(fits, self.lines)):
                    assert await self.read_line(), f"ended without {events}: {self.lines}"
        except TimeoutError:
            pytest.fail(f"no {events} in time: {self.lines}")
        return next(filter(fits, self.lines))

    async def read_line(self) -> bool:
        """Take in the next line of stderr; return False at its end."""
        assert self.process.stderr is not None
        line = await self.process.stderr.readline()
        if line:
            self.lines.append(orjson.loads(line) if line.startswith(b"{") else {"text": line})
        return bool(line)

    async def pid(self) -> int:
        """Return the number of the process that serves; the executable's is not the first one's."""
        number: int = (await self.logged("service ready"))["pid"]
        return number

    async def ended(self) -> int:
        """Wait for the process's end; return its exit code."""
        async with asyncio.timeout(DEADLINE_S):
            while await self.read_line():
                pass
            return await self.process.wait()


@asynccontextmanager
async def serving(
    settings: Settings,
    *flags: str,
    program: str | None = None,
    within: Sequence[str] = (),
    stdin: int | None = None,
    environ: Mapping[str, str] = MappingProxyType({}),
) -> AsyncIterator[Process]:
    """Run the service; on leaving it is gone, whatever it was doing.

    Args:
        settings: Name its database and its bank.
        flags: More of its command line.
        program: A module that takes the same command line, in the place of ours.
        within: A command that becomes the one that is given behind it.
        stdin: What it reads from; what we read from, if None.
        environ: More of its environment.
    """
    process = await asyncio.create_subprocess_exec(
        *within,
        *(INGEST if program is None else [sys.executable, "-m", program]),
        *("serve", "--port", "0"),
        *("--database", str(settings.database.path), "--bank", settings.bank.url),
        *("--max-items-per-second", str(ITEMS_PER_S), *flags),
        cwd=settings.database.path.parent,
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "INGEST_DATABASE_BUSY_TIMEOUT_S": "0.2",
            "INGEST_LOG_FORMAT": "json",
            **{name: os.environ[name] for name in ("TMPDIR",) if name in os.environ},
            **environ,
        },
        stdin=stdin,
        stderr=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
    )
    try:
        yield Process(process=process)
    finally:
        if process.returncode is None:
            process.kill()
        async with asyncio.timeout(DEADLINE_S):
            await process.communicate()


@asynccontextmanager
async def session(service: Process) -> AsyncIterator[ClientSession]:
    """A session with the service, as soon as it is ready."""
    url = (await service.logged("service ready"))["url"]
    async with ClientSession(url) as client:
        yield client


async def synchronizing(client: ClientSession) -> None:
    """Start a synchronization, and wait until it has written and goes on slowly."""
    async with client.post("/sync") as response:
        assert response.status == 200
        path = response.headers["Location"]
    async with asyncio.timeout(DEADLINE_S):
        while True:
            async with client.get(path) as response:
                document = await response.json()
            if document["steps"] and document["steps"][0]["commitCount"] > 0:
                return


def statuses(settings: Settings) -> list[str]:
    """Return the statuses of all executions, oldest first, as a runbook's SQL finds them."""
    query = "select status from batch_job_execution order by job_execution_id"
    with closing(sqlite3.connect(settings.database.path)) as database:
        return [status for (status,) in database.execute(query)]

"""The service as a process of its own: signals, power cuts, and a second one on its database."""

import asyncio
import os
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any, Final

import orjson
import pytest
from aiohttp import ClientSession
from attrs import define, field

from ingest.settings import Settings

ROOT: Final = Path(__file__).parent.parent

#: A process imports and opens much before it is ready, on a busy machine slowly.
DEADLINE_S: Final = 20.0

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

    async def ended(self) -> int:
        """Wait for the process's end; return its exit code."""
        async with asyncio.timeout(DEADLINE_S):
            while await self.read_line():
                pass
            return await self.process.wait()


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[Process]:
    """Run the service; on leaving it is gone, whatever it was doing."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "ingest", "serve", "--port", "0"),
        *("--database", str(settings.database.path), "--bank", settings.bank.url),
        *("--max-items-per-second", str(ITEMS_PER_S)),
        cwd=settings.database.path.parent,
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "INGEST_DATABASE_BUSY_TIMEOUT_S": "0.2",
            "INGEST_LOG_FORMAT": "json",
        },
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


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_stops_the_jobs_and_ends_the_service(
    settings: Settings, number: signal.Signals
) -> None:
    """SIGTERM or SIGINT with a job running: exit code 0, and the row is STOPPED."""
    async with serving(settings) as service, session(service) as client:
        await synchronizing(client)
        service.process.send_signal(number)
        assert await service.ended() == 0
        assert [
            line["signal"] for line in service.lines if line.get("event") == "service stopping"
        ] == [number.name]
    assert statuses(settings) == ["STOPPED"]


async def test_a_service_that_was_killed_hinders_nobody(settings: Settings) -> None:
    """After kill -9 in mid-run the next service starts the job at once; the orphan is FAILED."""
    async with serving(settings) as service, session(service) as client:
        await synchronizing(client)
        service.process.kill()
        assert await service.ended() == -signal.SIGKILL
    assert statuses(settings) == ["STARTED"]

    async with serving(settings) as service, session(service) as client:
        assert statuses(settings) == ["FAILED"]
        async with client.post("/sync") as response:
            assert (response.status, response.headers["Location"]) == (200, "/executions/2")
        async with client.get("/executions/1") as response:
            message = (await response.json())["exitMessage"]
            assert message.startswith("the service ended while this execution was running")
        service.process.terminate()
        assert await service.ended() == 0
    assert statuses(settings) == ["FAILED", "STOPPED"]


async def test_a_second_service_on_the_same_database_is_refused(settings: Settings) -> None:
    """One owner per database: the second ends with a line that names the first one's pid."""
    async with serving(settings) as first, session(first) as client:
        async with serving(settings) as second:
            assert await second.ended() != 0
            words = " ".join(str(line.get("text", line)) for line in second.lines)
            assert f"process {first.process.pid} on " in words
            assert len(second.lines) == 1
        async with client.get("/health/ready") as response:
            assert response.status == 200


async def test_an_abandon_that_is_under_way_outlives_the_signal(settings: Settings) -> None:
    """SIGTERM during an abandon: its caller still gets ABANDONED, which is on record."""
    async with serving(settings) as service, session(service) as client:
        await synchronizing(client)
        with closing(sqlite3.connect(settings.database.path, isolation_level=None)) as other:
            # While another one writes, neither stop nor end can be recorded: the abandon waits.
            other.execute("BEGIN IMMEDIATE")
            abandon = asyncio.create_task(client.put("/abandon/1").__aenter__())
            await service.logged("stop not recorded yet", "stamina.retry_scheduled")
            service.process.terminate()
            await service.logged("service stopping")
            assert not abandon.done()
            other.execute("ROLLBACK")
        async with asyncio.timeout(DEADLINE_S):
            response = await abandon
            document = await response.json()
        assert (response.status, document["status"]) == (200, "ABANDONED")
        assert await service.ended() == 0
    assert statuses(settings) == ["ABANDONED"]


async def test_a_second_signal_ends_at_once(settings: Settings) -> None:
    """Whoever asks twice does not wait for the wind-down: the next start settles the row."""
    async with serving(settings) as service, session(service) as client:
        await synchronizing(client)
        with closing(sqlite3.connect(settings.database.path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            service.process.terminate()
            await service.logged("service stopping")
            service.process.terminate()
            assert await service.ended() == 128 + signal.SIGTERM
    assert statuses(settings) == ["STARTED"]

"""A service whose log lines nobody takes keeps its word all the same, in a real process."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import pytest
from aiohttp import ClientConnectionError, ClientSession
from aiohttp.test_utils import unused_port

from ingest.settings import Settings
from tests.support.processes import DEADLINE_S, INGEST, ROOT, statuses

#: Each item that is ingested is a line; slow enough to be met in the middle.
RATE: Final = ("--max-items-per-second", "2")


@asynccontextmanager
async def serving_to(
    settings: Settings, stderr: int | None
) -> AsyncIterator[tuple[asyncio.subprocess.Process, ClientSession]]:
    """Run the service with its log lines going to a descriptor; None: standard error is closed."""
    port = unused_port()
    command = [*INGEST, "serve", "--port", str(port), *RATE]
    command += ["--database", str(settings.database.path), "--bank", settings.bank.url]
    if stderr is None:
        command = ["sh", "-c", 'exec "$@" 2>&-', "sh", *command]
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=settings.database.path.parent,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "INGEST_LOG_LEVEL": "DEBUG"},
        stderr=stderr,
    )
    try:
        async with ClientSession(f"http://127.0.0.1:{port}") as client:
            await _ready(client)
            yield process, client
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _ready(client: ClientSession) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while True:
            try:
                async with client.get("/health/ready"):
                    return
            except ClientConnectionError:
                await asyncio.sleep(0.02)


async def promises_are_kept(
    settings: Settings, process: asyncio.subprocess.Process, client: ClientSession
) -> None:
    """Start, abandon, start again, end: every answer is true, and in time."""
    async with asyncio.timeout(DEADLINE_S):
        assert (await client.post("/sync")).status == 200
        while True:
            async with client.get("/executions/1") as response:
                if (await response.json())["counts"]["created"]:
                    break
        async with client.put("/abandon/1") as response:
            document = await response.json()
        assert (response.status, document["status"]) == (200, "ABANDONED")
        assert (await client.post("/sync")).status == 200
        process.terminate()
        assert await process.wait() == 0
    assert statuses(settings) == ["ABANDONED", "STOPPED"]


async def test_a_log_reader_that_dies_changes_nothing(settings: Settings) -> None:
    """A broken pipe is the log's loss alone."""
    reads, writes = os.pipe()
    async with serving_to(settings, writes) as (process, client):
        os.close(writes)
        os.close(reads)
        await promises_are_kept(settings, process, client)


async def test_a_pipe_that_nobody_reads_holds_nothing_up(settings: Settings) -> None:
    """When it is full the event loop turns all the same, and the process ends when told to."""
    reads, writes = os.pipe()
    os.set_blocking(writes, False)
    try:
        while os.write(writes, b"x" * 4096):
            pass
    except BlockingIOError:
        pass
    os.set_blocking(writes, True)
    async with serving_to(settings, writes) as (process, client):
        os.close(writes)
        await promises_are_kept(settings, process, client)
    os.close(reads)


@pytest.mark.parametrize("where", ["/dev/full", None])
async def test_a_place_that_takes_no_lines_hinders_no_start(
    settings: Settings, where: str | None
) -> None:
    """A full disk for the log, or none at all: the service runs, and keeps its word."""
    stderr = None if where is None else os.open(where, os.O_WRONLY)
    async with serving_to(settings, stderr) as (process, client):
        if stderr is not None:
            os.close(stderr)
        await promises_are_kept(settings, process, client)

"""A process that is told to end does, whatever hangs in it."""

import asyncio
import signal
from pathlib import Path
from typing import Final

import pytest

from ingest.errors import DatabaseInUseError
from ingest.settings import Settings
from ingest.storage.lock import DatabaseLock
from tests.support.processes import DEADLINE_S, Process, serving, session, statuses

STUCK: Final = "tests.support.stuck_service"


async def hanging(service: Process, path: str) -> None:
    """Start a job, and wait until it hangs."""
    async with session(service) as client:
        start = asyncio.ensure_future(client.post(path))
        await service.logged("hanging")
        start.cancel()
        await asyncio.wait({start})


def threads_of(service: Process) -> int:
    """Return how many threads a process has."""
    return len(list(Path(f"/proc/{service.process.pid}/task").iterdir()))


async def is_free(database: Path) -> bool:
    """Return whether nobody holds the database."""
    lock = DatabaseLock(database)
    try:
        await lock.acquire()
    except DatabaseInUseError:
        return False
    lock.release()
    return True


@pytest.mark.parametrize("path", ["/sync", "/migrate"])
async def test_a_job_that_hangs_does_not_keep_the_process(settings: Settings, path: str) -> None:
    """One signal: after the grace it ends with code 1, and lets go of the database."""
    async with serving(settings, program=STUCK) as service:
        await hanging(service, path)
        assert not await is_free(settings.database.path)
        service.process.terminate()
        assert await service.ended() == 1
        await service.logged(
            "service did not end in time", "service ended with work that did not wind down"
        )
    assert await is_free(settings.database.path)
    # Settled by the next owner, by proof.
    assert statuses(settings)[0] in ("STARTED", "STOPPING")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_second_signal_ends_a_process_whose_loop_is_held(
    settings: Settings, number: signal.Signals
) -> None:
    """Signals are heard where the event loop is not: the second one ends at once."""
    async with serving(settings, program=STUCK) as service:
        await hanging(service, "/sync")
        threads = threads_of(service)
        service.process.send_signal(number)
        # Two that come at once would be one to the kernel: wait for the thread that it starts.
        async with asyncio.timeout(DEADLINE_S):
            while threads_of(service) == threads:  # noqa: ASYNC110 - the kernel tells no one
                await asyncio.sleep(0)
        service.process.send_signal(number)
        assert await service.ended() == 128 + number


async def test_a_loop_that_is_held_is_told_of(settings: Settings) -> None:
    """The warning names the job that holds it, and the line."""
    async with serving(settings, program=STUCK) as service:
        await hanging(service, "/sync")
        line = await service.logged("event loop blocked")
        assert line["jobs"] == ["itemSynchronizationJob (execution 1)"]
        assert line["at"].startswith("tests/support/stuck_service.py:")
        assert line["at"].endswith(" in hang")


async def test_an_abandon_of_what_hangs_says_where(settings: Settings) -> None:
    """503 STOPPING names the line in the thread; the job stays unstartable; nothing is false."""
    async with serving(settings, program=STUCK) as service, session(service) as client:
        assert (await client.post("/migrate")).status == 200
        await service.logged("hanging")
        for _ in range(2):
            async with client.put("/abandon/2") as response:
                document = await response.json()
            assert (response.status, document["status"]) == (503, "STOPPING")
            assert "(it stands at tests/support/stuck_service.py:" in document["message"]
        async with client.get("/executions/1?stack=1") as response:
            stack = (await response.json())["stack"]
        assert any("stuck_service.py" in line and line.endswith(" in hang") for line in stack)
        assert (await client.post("/migrate")).status == 409

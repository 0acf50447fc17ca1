"""A crowd of slow clients at the real process, and a limit of open files that is low."""

import asyncio
import resource
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from yarl import URL

from ingest.api.crowd import allow_open_files
from ingest.settings import Settings
from tests.support.processes import DEADLINE_S, Process, serving, session, synchronizing
from tests.support.wire import Wire, request

#: Of each kind of slow client; three kinds.
SLOW = 334

HALF_A_BODY = request("POST", "/sync/100001", "Content-Length: 10") + b"x"

#: As long as a probe may take before an orchestrator loses patience with it.
PATIENCE_S = 5.0

#: Each stays what it is for as long as the test lasts.
_PATIENT = {"INGEST_SERVER_REQUEST_WITHIN_S": "60"}


@pytest.fixture
def _many_files() -> Iterator[None]:
    """Let the test itself open so many sockets."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    allow_open_files()
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@asynccontextmanager
async def wired(service: Process) -> AsyncIterator[Wire]:
    """A wire to a process, as soon as it is ready; on leaving its connections are gone."""
    wire = Wire(port=URL((await service.logged("service ready"))["url"]).port or 0)
    try:
        yield wire
    finally:
        for line in wire.lines:
            line.writer.transport.abort()


@pytest.mark.timeout(120)
@pytest.mark.usefixtures("_many_files")
async def test_a_thousand_slow_clients_hinder_nobody(settings: Settings) -> None:
    """While a synchronization runs among them probes answer, abandon answers, and SIGTERM ends it.

    A third of them say nothing, a third half of a head, a third half of a body.
    """
    kinds = [b"", request("PUT", "/abandon/1")[:-2], HALF_A_BODY]
    async with (
        serving(settings, environ=_PATIENT) as service,
        session(service) as client,
        wired(service) as wire,
    ):
        await synchronizing(client)
        for _ in range(SLOW):
            for data in kinds:
                await wire.connect(data)
        async with asyncio.timeout(PATIENCE_S):
            for probe in ("/health/live", "/health/ready", "/health"):
                assert await wire.status("GET", probe) == 200
        async with asyncio.timeout(PATIENCE_S):
            status, _, body = await wire.ask(request("PUT", "/abandon/1"))
        assert status == 200
        assert '"status":"ABANDONED"' in body
        async with asyncio.timeout(PATIENCE_S):
            assert await wire.status("POST", "/migrate") == 200
        late = [line for line in wire.lines[: SLOW * len(kinds)] if line.reader.at_eof()]
        assert late == []
        service.process.send_signal(signal.SIGTERM)
        assert await service.ended() == 0


@pytest.mark.timeout(60)
async def test_a_low_limit_of_open_files(settings: Settings) -> None:
    """It is said at the start; a crowd beyond it is turned away, and does not flood the log.

    A crowd that is idle does not keep others out.
    """
    shell = ("sh", "-c", 'ulimit -n 60; exec "$@"', "sh")
    async with (
        serving(settings, within=shell, environ=_PATIENT) as service,
        wired(service) as wire,
    ):
        said = await service.logged("few files may be open, so fewer connections are taken")
        assert (said["open_files"], said["connections"]) == (60, 30)
        await asyncio.gather(*[wire.connect() for _ in range(200)])
        async with asyncio.timeout(DEADLINE_S):
            assert await wire.status("GET", "/health/live") == 200
        await asyncio.gather(*[wire.connect(HALF_A_BODY) for _ in range(200)])
        async with asyncio.timeout(DEADLINE_S):
            status, headers, _ = await wire.ask(request("GET", "/health/live"))
            while status != 503:
                await wire.connect(HALF_A_BODY)  # one of them was idle still
                status, headers, _ = await wire.ask(request("GET", "/health/live"))
        assert headers["retry-after"] == "2"
        for line in wire.lines:
            line.writer.transport.abort()
        async with asyncio.timeout(DEADLINE_S):
            while await wire.status("GET", "/health/live") != 200:
                pass
        service.process.send_signal(signal.SIGTERM)
        assert await service.ended() == 0
        assert len(service.lines) < 20

"""The service as a process of its own: signals, power cuts, and a second one on its database."""

import asyncio
import signal
import sqlite3
from contextlib import closing

import pytest

from ingest.errors import DatabaseInUseError
from ingest.model.access import Scope
from ingest.settings import Settings
from ingest.storage.beside import open_beside
from ingest.storage.lock import DatabaseLock
from ingest.storage.tokens import TokenStore
from tests.support.access import bearer, new_token
from tests.support.processes import DEADLINE_S, serving, session, statuses, synchronizing


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
            assert f"process {await first.pid()} on " in words
            assert len(second.lines) == 1
        async with client.get("/health/ready") as response:
            assert response.status == 200


async def test_a_service_that_is_refused_has_touched_nothing(settings: Settings) -> None:
    """Before it holds the lock a process neither reads nor writes the database or its folder."""
    folder = settings.database.path.parent

    def content() -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}

    lock = DatabaseLock(settings.database.path)
    await lock.acquire()
    try:
        before = content()
        async with serving(settings) as refused:
            assert await refused.ended() == 1
        assert content() == before
    finally:
        lock.release()


async def test_a_service_that_waits_takes_over(settings: Settings) -> None:
    """In a roll-out the second one serves as soon as the first has gone, with the job startable."""
    async with serving(settings) as first, session(first) as client:
        await synchronizing(client)
        async with serving(settings, "--wait-for-database", str(DEADLINE_S)) as second:
            line = await second.logged("waiting for the database")
            assert f"process {await first.pid()} on " in line["owner"]
            first.process.kill()
            async with session(second) as successor:
                async with successor.post("/sync") as response:
                    assert response.status == 200
                second.process.terminate()
                assert await second.ended() == 0
    assert statuses(settings) == ["FAILED", "STOPPED"]


async def test_an_abandon_that_is_under_way_outlives_the_signal(settings: Settings) -> None:
    """SIGTERM during an abandon: its caller still gets ABANDONED, which is on record."""
    async with serving(settings) as service, session(service) as client:
        await synchronizing(client)
        with closing(sqlite3.connect(settings.database.path, isolation_level=None)) as other:
            # While another one writes, neither stop nor end can be recorded: the abandon waits.
            other.execute("BEGIN IMMEDIATE")
            abandon = asyncio.create_task(client.put("/abandon/1").__aenter__())
            await service.logged("stop not recorded yet", "trying again")
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


async def test_a_lock_file_that_is_removed_makes_no_second_owner(settings: Settings) -> None:
    """What somebody tidied away is made anew, and a second service is still refused."""
    lock = settings.database.path.with_name(settings.database.path.name + ".lock")
    async with serving(settings) as first, session(first) as client:
        await synchronizing(client)
        lock.unlink()
        await first.logged("lock file was removed, made anew")
        async with serving(settings) as second:
            assert await second.ended() == 1
        async with client.put("/abandon/1") as response:
            assert (await response.json())["status"] == "ABANDONED"
    assert statuses(settings) == ["ABANDONED"]


async def test_who_has_lost_the_database_says_so(settings: Settings) -> None:
    """Where another one was faster, this one starts nothing, settles nothing, and is DOWN."""
    path = settings.database.path
    async with serving(settings) as service, session(service) as client:
        other = DatabaseLock(path)
        async with asyncio.timeout(DEADLINE_S):
            while True:
                other.path.unlink(missing_ok=True)
                try:
                    await other.acquire()
                    break
                except DatabaseInUseError:
                    continue
        try:
            async with client.post("/sync") as response:
                assert response.status == 503
                assert "Another process has taken the database" in await response.text()
            async with client.get("/health") as response:
                assert response.status == 503
                database = (await response.json())["components"]["database"]
            assert "another process owns the database" in database["message"]
        finally:
            other.release()
    assert statuses(settings) == []


async def test_listening_for_others_takes_a_token(settings: Settings) -> None:
    """On every address the start is refused, until there is a token; then callers need one."""
    everywhere = ("--host", "0.0.0.0")  # noqa: S104 - what is tested
    async with serving(settings, *everywhere) as refused:
        assert await refused.ended() == 2
        (line,) = refused.lines
        assert b"ingest token new" in line["text"]
        assert b"--allow-unauthenticated" in line["text"]
    async with open_beside(settings.database.path, busy_timeout_s=1.0) as database:
        secret = await new_token(TokenStore(database), "nightly", Scope.OPERATE)
    async with serving(settings, *everywhere) as service, session(service) as client:
        for headers, status in (({}, 401), (bearer(secret), 200)):
            async with client.put("/abandon/1", headers=headers) as response:
                assert response.status == status
        async with client.get("/health/ready") as response:
            assert response.status == 200
        assert secret not in str(service.lines)


async def test_the_word_that_all_are_let_in(settings: Settings) -> None:
    """--allow-unauthenticated opens an address for everybody, and contradicts auth.require."""
    flags = ("--host", "0.0.0.0", "--allow-unauthenticated")  # noqa: S104 - what is tested
    async with (
        serving(settings, *flags) as service,
        session(service) as client,
        client.put("/abandon/1") as response,
    ):
        assert response.status == 200
    async with serving(settings, *flags, environ={"INGEST_AUTH_REQUIRE": "always"}) as refused:
        assert await refused.ended() == 2
        (line,) = refused.lines
        assert b"contradict each other" in line["text"]

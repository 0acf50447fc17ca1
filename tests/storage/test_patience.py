"""What the database refuses for now is tried again, within bounds."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from typing import Final

import pytest
from sqlalchemy import Connection, event, text

from ingest.errors import DatabaseUnavailableError, FencedError
from ingest.model.job import Counts
from ingest.storage.database import Database
from ingest.storage.execution_queries import ExecutionQueries
from ingest.storage.patience import Patience, PatientDatabase
from ingest.storage.writer import ExecutionWriter
from tests.support.databases import row_count, started
from tests.support.gate import Gate
from tests.support.refusals import Refusals, fail_after, refuse_commits

DEADLINE_S: Final = 10.0
LONG_S: Final = 10.0

WRITE: Final = "INSERT INTO bank_scan (job_execution_id, started) VALUES (1, '2020-01-01 00:00:00')"


def one_row(connection: Connection) -> Counts:
    """Write a row, which counts as an item created."""
    connection.execute(text(WRITE))
    return Counts(created=1)


def patient(writer: ExecutionWriter, database: Database, patience: Patience) -> ExecutionWriter:
    """Return a writer for the same execution that does not give up at once."""
    return ExecutionWriter(
        database, execution_id=writer.execution_id, owner="me", patience=patience
    )


@asynccontextmanager
async def locked(database: Database) -> AsyncIterator[sqlite3.Connection]:
    """Hold the database's write lock with a connection of somebody else's."""
    with closing(sqlite3.connect(database.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield other


async def test_a_lock_that_goes_away_costs_nothing(database: Database) -> None:
    """A batch that meets somebody else's lock is written when the lock is released, once."""
    writer = patient(await started(database), database, Patience(LONG_S))
    refusals = Refusals(database)
    async with locked(database) as other:
        write = asyncio.create_task(writer.write(one_row, processed=1))
        await refusals.wait_for(2)
        assert not write.done()
        other.execute("ROLLBACK")
        async with asyncio.timeout(DEADLINE_S):
            await write
    execution = await ExecutionQueries(database).get(1)
    assert (execution.counts.created, execution.progress.processed) == (1, 1)
    assert execution.steps[0].rollback_count == refusals.seen
    assert await row_count(database, "bank_scan") == 1


async def test_a_full_disk_that_gets_room_costs_nothing(database: Database) -> None:
    """SQLite's own word that there is no room is taken as passing, too."""
    writer = patient(await started(database), database, Patience(LONG_S))
    pages = await database.write(lambda c: c.execute(text("PRAGMA page_count")).scalar_one())
    await _limit_pages(database, pages)
    refusals = Refusals(database)

    def much(connection: Connection) -> Counts:
        connection.execute(text(WRITE.replace("'2020-01-01 00:00:00'", f"'{'x' * 100_000}'")))
        return Counts(created=1)

    write = asyncio.create_task(writer.write(much))
    await refusals.wait_for(1)
    assert not write.done()
    await _limit_pages(database, 10_000)
    async with asyncio.timeout(DEADLINE_S):
        await write
    assert await row_count(database, "bank_scan") == 1


async def _limit_pages(database: Database, pages: int) -> None:
    limit = text(f"PRAGMA max_page_count = {pages}")
    await database.write(lambda connection: connection.execute(limit))


async def test_what_lasts_is_let_through(database: Database) -> None:
    """When the patience is at its end so is the write: it says what SQLite says."""
    writer = patient(await started(database), database, Patience(0.2))
    async with locked(database):
        with pytest.raises(DatabaseUnavailableError, match="database is locked"):
            await writer.write(one_row)
    assert await row_count(database, "bank_scan") == 0
    await writer.write(one_row)
    assert await row_count(database, "bank_scan") == 1


async def test_a_job_that_was_told_to_stop_tries_no_more(database: Database) -> None:
    """With its patience ended a refusal is final, however long it might have been tried."""
    patience = Patience(LONG_S)
    writer = patient(await started(database), database, patience)
    refusals = Refusals(database)
    async with locked(database):
        write = asyncio.create_task(writer.write(one_row))
        await refusals.wait_for(1)
        patience.end()
        async with asyncio.timeout(DEADLINE_S):
            with pytest.raises(DatabaseUnavailableError):
                await write
    assert await row_count(database, "bank_scan") == 0


async def test_a_fence_that_closes_between_two_tries_stops_the_write(database: Database) -> None:
    """The answer to an abandon does not wait for the next try, and that one writes nothing."""
    writer = patient(await started(database), database, Patience(LONG_S))
    refusals = Refusals(database)
    async with locked(database) as other:
        write = asyncio.create_task(writer.write(one_row))
        await refusals.wait_for(1)
        async with asyncio.timeout(DEADLINE_S):
            await writer.revoke()
        assert not write.done()
        other.execute("ROLLBACK")
        async with asyncio.timeout(DEADLINE_S):
            with pytest.raises(FencedError):
                await write
    await writer.settle()
    assert await row_count(database, "bank_scan") == 0


async def test_what_cannot_pass_is_not_tried_again(database: Database) -> None:
    """A statement that SQLite will never accept fails at its first try."""
    refusals = Refusals(database)
    calm = PatientDatabase(database, Patience(LONG_S))
    with pytest.raises(DatabaseUnavailableError, match="no such table") as caught:
        await calm.write(lambda connection: connection.execute(text("DELETE FROM nowhere")))
    assert not caught.value.is_passing
    assert refusals.seen == 1


async def test_reading_is_as_patient(database: Database) -> None:
    """A read that is refused for now is tried again as well."""
    path = database.path
    hidden = path.with_name("hidden")
    await database.close()
    path.rename(hidden)
    path.mkdir()  # what SQLite cannot open, whoever asks
    calm = PatientDatabase(database, Patience(LONG_S))
    refused = asyncio.Event()
    loop = asyncio.get_running_loop()
    reader = database._readers.get_nowait()  # the one that is used next
    database._readers.put_nowait(reader)

    @event.listens_for(reader.engine, "handle_error")
    def _refused(_context: object) -> None:
        loop.call_soon_threadsafe(refused.set)

    count = text("SELECT count(*) FROM batch_job_instance")
    read = asyncio.create_task(calm.read(lambda c: c.execute(count).scalar_one()))
    async with asyncio.timeout(DEADLINE_S):
        await refused.wait()
        assert not read.done()
        path.rmdir()
        hidden.rename(path)
        assert await read == 2


async def test_a_connection_that_cannot_write_any_more_is_made_anew(database: Database) -> None:
    """Where SQLite says read-only, the cause may be gone while the connection never recovers."""
    writer = patient(await started(database), database, Patience(LONG_S))
    refusals = Refusals(database)
    # Outside a transaction, this lasts for as long as the connection.
    await database.write(lambda connection: connection.execute(text("PRAGMA query_only = ON")))
    await writer.write(one_row)
    assert refusals.seen == 1
    assert await row_count(database, "bank_scan") == 1


async def test_a_commit_that_was_answered_with_an_error_is_not_repeated(database: Database) -> None:
    """A retry sees that the attempt before was carried out after all: the batch is there once."""
    writer = patient(await started(database), database, Patience(LONG_S))
    await writer.write(one_row)
    fail_after(database, commits=1)
    async with asyncio.timeout(DEADLINE_S):
        await writer.write(one_row)
    execution = await ExecutionQueries(database).get(1)
    assert execution.counts.created == await row_count(database, "bank_scan") == 2


async def test_a_write_behind_one_whose_commit_was_told_as_an_error(database: Database) -> None:
    """A job that goes on after such an error loses nothing: the next batch is written, too."""
    writer = await started(database)
    fail_after(database, commits=1)
    with pytest.raises(DatabaseUnavailableError):
        await writer.write(one_row)
    again = patient(writer, database, Patience(LONG_S))
    fail_after(database, commits=0)
    async with asyncio.timeout(DEADLINE_S):
        await again.write(one_row)
    execution = await ExecutionQueries(database).get(1)
    assert execution.counts.created == await row_count(database, "bank_scan") == 2


async def test_what_another_execution_commits_is_no_attempt_of_this_one(
    database: Database,
) -> None:
    """A batch that is tried again is written although the other job has written meanwhile."""
    other = await started(database, owner="other", job=1)
    begun = await started(database)
    writer = patient(begun, database, Patience(LONG_S))
    gate = Gate()
    refuse_commits(database, times=1)

    def work(connection: Connection) -> Counts:
        gate.halt()
        return one_row(connection)

    write = asyncio.create_task(writer.write(work))
    await gate.reached()
    beside = asyncio.create_task(other.write())
    for _ in range(3):
        await asyncio.sleep(0)  # until it stands in line for the database
    gate.open()
    async with asyncio.timeout(DEADLINE_S):
        await beside
        await write
    assert (await ExecutionQueries(database).get(begun.execution_id)).counts.created == 1


async def test_a_write_is_told_of_once(database: Database) -> None:
    """What it has added is told when it is on record: not before, and not for every attempt."""
    begun = await started(database)
    told: list[tuple[Counts, int, int | None]] = []
    writer = ExecutionWriter(
        database,
        execution_id=begun.execution_id,
        owner="me",
        patience=Patience(LONG_S),
        on_written=lambda *what: told.append(what),
    )
    await writer.write(one_row, processed=2, counts=Counts(failed=1), total=9)
    assert told.pop() == (Counts(created=1, failed=1), 2, 9)
    for is_committed in (0, 1):
        fail_after(database, commits=is_committed)
        async with asyncio.timeout(DEADLINE_S):
            await writer.write(one_row, processed=1)
        assert told == [(Counts(created=1), 1, None)]
        told.clear()
    await writer.revoke()
    with pytest.raises(FencedError):
        await writer.write(one_row)
    assert told == []

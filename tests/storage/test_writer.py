"""The fence: who may write for an execution, and for how long."""

import asyncio
import gc
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, event, text

from ingest.errors import DatabaseUnavailableError, FencedError
from ingest.model.job import Counts, JobStatus, Outcome
from ingest.storage.database import Database
from ingest.storage.execution_queries import ExecutionQueries
from ingest.storage.executions import ExecutionStore
from ingest.storage.schema import upgrade
from ingest.storage.transitions import utc_now
from ingest.storage.writer import ExecutionWriter
from tests.support.databases import change, row_count, rows, started
from tests.support.gate import Gate

DEADLINE_S = 10

WRITE = "INSERT INTO bank_scan (job_execution_id, started) VALUES (1, '2020-01-01 00:00:00')"

OWNER = "SELECT owner, version FROM batch_job_execution"


def one_row(connection: Connection) -> Counts:
    """Write a row, which counts as an item created."""
    connection.execute(text(WRITE))
    return Counts(created=1)


async def assert_fenced(writer: ExecutionWriter, database: Database) -> None:
    """Nothing can be written: no row, no count, no checkpoint."""
    tables = ("bank_scan", "batch_job_execution_progress", "batch_job_execution_context")
    before = [list(await rows(database, f"SELECT * FROM {table}")) for table in tables]  # noqa: S608
    with pytest.raises(FencedError):
        await writer.write(one_row, processed=1, total=9, checkpoint="{}")
    after = [list(await rows(database, f"SELECT * FROM {table}")) for table in tables]  # noqa: S608
    assert after == before


async def test_a_clock_that_stepped_back_does_not_take_the_row_back(database: Database) -> None:
    """What was last updated stays so, and at least as late as the end."""
    writer = await started(database)
    await change(database, "UPDATE batch_job_execution SET last_updated = '2999-01-01 00:00:00'")
    await writer.write(one_row)
    later = datetime(2999, 1, 2, tzinfo=UTC)
    execution = await ExecutionQueries(database).get(writer.execution_id)
    assert execution.last_updated == datetime(2999, 1, 1, tzinfo=UTC)
    await ExecutionStore(database).end(
        writer.execution_id, lambda _: Outcome(JobStatus.FAILED, ""), work_ended_at=later, asks=()
    )
    ended = await ExecutionQueries(database).get(writer.execution_id)
    assert (ended.end_time, ended.last_updated) == (later, later)


async def test_rows_counts_progress_and_checkpoint_are_written_together(
    database: Database,
) -> None:
    """What a write adds is on record with its rows, and adds up from write to write."""
    writer = await started(database)
    await writer.write(one_row, processed=3, counts=Counts(read=3, failed=2), total=9)
    await writer.write(one_row, processed=1, counts=Counts(unchanged=1), checkpoint='{"after": 1}')

    execution = await ExecutionQueries(database).get(writer.execution_id)
    assert execution.counts == Counts(read=3, created=2, unchanged=1, failed=2)
    assert (execution.progress.processed, execution.progress.total) == (4, 9)
    (step,) = execution.steps
    assert (step.commit_count, step.read_count, step.write_count) == (2, 3, 2)
    assert (step.filter_count, step.process_skip_count, step.rollback_count) == (1, 2, 0)
    (saved,) = await rows(database, "SELECT checkpoint FROM batch_job_execution_context")
    assert saved[0] == '{"after": 1}'
    assert await row_count(database, "bank_scan") == 2


async def test_every_count_is_added_to_the_progress_and_to_the_step(database: Database) -> None:
    """Each for itself, from write to write, and to no other execution's."""
    other = await started(database, owner="other", job=1)
    await other.write(counts=Counts(read=1), processed=1)
    writer = await started(database)
    one = Counts(read=1, created=2, updated=4, unchanged=8, deleted=16, failed=32)
    for _ in range(2):
        await writer.write(counts=one, processed=5)
    execution = await ExecutionQueries(database).get(writer.execution_id)
    assert (execution.counts, execution.progress.processed) == (one + one, 10)
    (step,) = execution.steps
    assert (step.commit_count, step.read_count, step.write_count) == (2, 2, 44)
    assert (step.filter_count, step.process_skip_count) == (16, 64)
    alone = await ExecutionQueries(database).get(other.execution_id)
    assert (alone.counts, alone.progress.processed) == (Counts(read=1), 1)
    assert (alone.steps[0].commit_count, alone.steps[0].read_count) == (1, 1)


async def test_every_write_saves_the_execution_and_its_step(database: Database) -> None:
    """Their versions count it, and both tell when it was."""
    writer = await started(database)
    tables = ("batch_job_execution", "batch_step_execution")
    before = []
    for table in tables:
        await change(database, f"UPDATE {table} SET last_updated = '2020-01-01 00:00:00'")  # noqa: S608
        (row,) = await rows(database, f"SELECT version FROM {table}")  # noqa: S608
        before.append(row.version)
    since = utc_now()
    await writer.write(one_row)
    for table, version in zip(tables, before, strict=True):
        (row,) = await rows(database, f"SELECT version FROM {table}")  # noqa: S608
        assert row.version == version + 1
    execution = await ExecutionQueries(database).get(writer.execution_id)
    assert since <= execution.last_updated <= utc_now()
    assert since <= execution.steps[0].last_updated <= utc_now()


async def test_an_execution_that_was_ended_by_hand_cannot_write(database: Database) -> None:
    """The status counts, whoever has set it and whatever else that hand has left."""
    writer = await started(database)
    await change(database, "UPDATE batch_job_execution SET status = 'FAILED'")
    await assert_fenced(writer, database)


async def test_a_write_that_fails_leaves_nothing_but_its_count_of_rollbacks(
    database: Database,
) -> None:
    """Neither rows nor counts stay, and the next write tells that there was one rolled back."""
    writer = await started(database)

    def fail(connection: Connection) -> Counts:
        one_row(connection)
        raise OSError("disk")

    with pytest.raises(OSError, match="disk"):
        await writer.write(fail, processed=1, checkpoint="{}")
    assert await row_count(database, "bank_scan") == 0
    await writer.write(one_row)
    execution = await ExecutionQueries(database).get(writer.execution_id)
    assert (execution.progress.processed, execution.counts) == (0, Counts(created=1))
    assert execution.steps[0].rollback_count == 1
    await writer.write(one_row)
    execution = await ExecutionQueries(database).get(writer.execution_id)
    assert execution.steps[0].rollback_count == 1


async def test_after_it_is_revoked_nothing_is_written(database: Database) -> None:
    """The fence is closed for good, by this writer and by any other of the same owner."""
    writer = await started(database, owner="me")
    await writer.write(one_row)
    await writer.revoke()
    await assert_fenced(writer, database)
    twin = ExecutionWriter(database, execution_id=writer.execution_id, owner="me")
    await assert_fenced(twin, database)


async def test_a_fence_that_closes_in_mid_write_stops_that_write(database: Database) -> None:
    """After revoke() a write that had begun before is on record whole or not at all."""
    writer = await started(database)
    begun = asyncio.Event()

    def work(connection: Connection) -> Counts:
        counts = one_row(connection)
        begun.set()
        connection.execute(text("SELECT 1"))
        return counts

    writing = asyncio.create_task(writer.write(work))
    async with asyncio.timeout(DEADLINE_S):
        await begun.wait()
        await writer.revoke()
        at_return = await row_count(database, "bank_scan")
        await asyncio.wait({writing})
    error = writing.exception()
    assert at_return == await row_count(database, "bank_scan") == (1 if error is None else 0)
    assert error is None or isinstance(error, FencedError)
    execution = await ExecutionQueries(database).get(writer.execution_id)
    assert execution.counts.created == at_return


async def test_a_fence_that_closes_before_the_commit_stops_the_write(database: Database) -> None:
    """Nobody waits for work that has not come to its commit, and it never comes there."""
    writer = await started(database)
    await writer.write()
    gate = Gate()

    def work(connection: Connection) -> Counts:
        counts = one_row(connection)
        gate.halt()
        return counts

    writing = asyncio.create_task(writer.write(work))
    await gate.reached()
    async with asyncio.timeout(DEADLINE_S):
        await writer.revoke()
    assert not writing.done()
    gate.open()
    with pytest.raises(FencedError):
        await writing
    await writer.settle()
    assert await row_count(database, "bank_scan") == 0


async def test_a_fence_that_closes_during_the_commit_waits_for_it(database: Database) -> None:
    """What can no longer be stopped is on record when the fence has closed, and nothing later."""
    writer = await started(database)
    gate = Gate()
    event.listen(database._writer.engine, "commit", gate.halt, once=True)
    writing = asyncio.create_task(writer.write(one_row))
    await gate.reached()
    revoking = asyncio.create_task(writer.revoke())
    for _ in range(3):
        await asyncio.sleep(0)
    assert not revoking.done()
    gate.open()
    async with asyncio.timeout(DEADLINE_S):
        await revoking
    assert await row_count(database, "bank_scan") == 1
    await writing
    await assert_fenced(writer, database)


async def test_a_closed_fence_is_on_record(database: Database) -> None:
    """Behind the caller's back the row loses its owner, as one more save; once, and for good."""
    patient = Database(database.path, busy_timeout_s=60)
    writer = await started(patient, owner="me")
    (before,) = await rows(database, OWNER)
    with closing(sqlite3.connect(database.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        await writer.revoke()
        settling = asyncio.create_task(writer.settle())
        for _ in range(3):
            await asyncio.sleep(0)
        assert not settling.done()
        other.execute("ROLLBACK")
    async with asyncio.timeout(DEADLINE_S):
        await settling
    (after,) = await rows(database, OWNER)
    assert (before.owner, after.owner) == ("me", "")
    assert after.version == before.version + 1
    await writer.revoke()
    await writer.settle()
    assert await rows(database, OWNER) == [after]
    await patient.close()


async def test_a_fence_that_closes_behind_the_end_rewrites_nothing(database: Database) -> None:
    """What has ended stays as it is, to its version."""
    writer = await started(database)
    await ExecutionStore(database).end(
        writer.execution_id,
        lambda _: Outcome(JobStatus.FAILED, ""),
        work_ended_at=utc_now(),
        asks=[],
    )
    before = await rows(database, "SELECT * FROM batch_job_execution")
    await writer.revoke()
    await writer.settle()
    assert await rows(database, "SELECT * FROM batch_job_execution") == before


async def test_the_fence_closes_in_memory_where_the_database_is_busy(database: Database) -> None:
    """A database that cannot be written does not keep the fence open."""
    writer = await started(database)
    with closing(sqlite3.connect(database.path)) as other:
        other.execute("BEGIN IMMEDIATE")
        await writer.revoke()
        with pytest.raises(DatabaseUnavailableError):
            await writer.write(one_row)
    await assert_fenced(writer, database)


@pytest.mark.parametrize("status", [JobStatus.COMPLETED, JobStatus.ABANDONED, JobStatus.FAILED])
async def test_an_execution_that_has_ended_cannot_write(
    database: Database, status: JobStatus
) -> None:
    """Its row says that it is over, so nothing is added to it."""
    writer = await started(database)
    await ExecutionStore(database).end(
        writer.execution_id, lambda _: Outcome(status, ""), work_ended_at=utc_now(), asks=[]
    )
    await assert_fenced(writer, database)


async def test_an_execution_that_is_stopping_may_write(database: Database) -> None:
    """What is being written when the stop comes is written."""
    writer = await started(database)
    await ExecutionStore(database).mark_stopping(writer.execution_id, [])
    await writer.write(one_row)
    assert await row_count(database, "bank_scan") == 1


async def test_somebody_else_cannot_write(database: Database) -> None:
    """Only the owner that started an execution writes for it; the empty owner is nobody."""
    mine = await started(database, owner="me")
    for owner in ("you", ""):
        other = ExecutionWriter(database, execution_id=mine.execution_id, owner=owner)
        await assert_fenced(other, database)
    await mine.revoke()
    await assert_fenced(
        ExecutionWriter(database, execution_id=mine.execution_id, owner=""), database
    )


async def test_an_execution_that_is_not_there_cannot_write(database: Database) -> None:
    """No row, no write."""
    await started(database)
    await assert_fenced(ExecutionWriter(database, execution_id=99, owner="me"), database)


async def test_a_locked_database_does_not_keep_the_fence_open(tmp_path: Path) -> None:
    """revoke() returns at once although somebody else holds the database for long."""
    database = Database(tmp_path / "ingest.db", busy_timeout_s=60)
    await upgrade(database)
    writer = await started(database)
    with closing(sqlite3.connect(database.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        async with asyncio.timeout(10):
            await writer.revoke()
        other.execute("ROLLBACK")
    await writer.settle()
    await assert_fenced(writer, database)
    await database.close()


async def test_what_another_execution_has_is_left_alone(database: Database) -> None:
    """To close one execution's fence or save its checkpoint touches no other."""
    one, other = await started(database), await started(database, owner="other", job=1)
    await one.write(checkpoint="one")
    await other.write(checkpoint="other")
    await one.write(checkpoint="one more")
    await one.revoke()
    await one.settle()
    await other.write(one_row)
    query = "SELECT checkpoint FROM batch_job_execution_context ORDER BY job_execution_id"
    assert [row[0] for row in await rows(database, query)] == ["one more", "other"]


async def test_a_fence_that_closed_in_memory_only_stays_closed(database: Database) -> None:
    """Where its closing could not be put on record, it keeps out what comes later all the same."""
    unheard: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unheard.append(context))
    writer = await started(database)
    with closing(sqlite3.connect(database.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        await writer.revoke()
        await writer.settle()
        other.execute("ROLLBACK")
    await assert_fenced(writer, database)
    del writer
    await database.write(lambda _: None)  # lest its thread hold the last write of the writer
    gc.collect()
    assert unheard == []

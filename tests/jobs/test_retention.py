"""Forgetting old executions behind the back of jobs that run."""

import asyncio
import shutil
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from ingest.jobs.local import LocalEngine
from ingest.jobs.retention import Retention
from ingest.model.job import Ask, JobParameters
from ingest.storage.database import Database
from ingest.storage.executions import ExecutionStore
from tests.support.databases import rows
from tests.support.refusals import Refusals
from tests.support.scripted_job import ScriptedJob
from tests.support.service import DEADLINE_S

ASK = Ask("a test")


@pytest.fixture
async def database(empty_database: Path, tmp_path: Path) -> AsyncIterator[Database]:
    """A database of its own."""
    path = tmp_path / "ingest.db"
    shutil.copyfile(empty_database, path)
    made = Database(path, busy_timeout_s=0.05)
    yield made
    await made.close()


async def runs(engine: LocalEngine, database: Database, times: int) -> None:
    """Let a job run to its end so many times."""
    instance = (await ExecutionStore(database).instances())[0]
    for _ in range(times):
        job = ScriptedJob()
        job.may_end.set()
        await engine.start(instance, job, ASK, JobParameters())
        running = engine.registry.get(instance.id)
        assert running is not None
        await asyncio.wait({running.recorder})


async def executions(database: Database) -> list[int]:
    """Return the executions on record."""
    found = await rows(database, "SELECT job_execution_id FROM batch_job_execution ORDER BY 1")
    return [row[0] for row in found]


async def left(database: Database, expected: list[int]) -> None:
    """Wait until just these are left."""
    async with asyncio.timeout(DEADLINE_S):
        while await executions(database) != expected:
            pass


async def test_every_end_is_followed_by_it(database: Database) -> None:
    """After each end at most as many are left as are to be kept, and somebody is told."""
    told = asyncio.Event()
    retention = Retention(database, retain=2, on_forgotten=told.set, rest_s=0)
    engine = LocalEngine(database, retry_for_s=0, observer=retention)
    await runs(engine, database, 4)
    await left(database, [3, 4])
    async with asyncio.timeout(DEADLINE_S):
        await told.wait()
    await runs(engine, database, 1)
    await left(database, [4, 5])
    await retention.close()


async def test_the_start_is_followed_by_it(database: Database) -> None:
    """What was left to forget by the process before is forgotten without anybody's run."""
    await runs(LocalEngine(database, retry_for_s=0), database, 3)
    retention = Retention(database, retain=1, rest_s=0)
    retention.prune_later()
    await left(database, [3])
    await retention.close()


async def test_all_are_kept_unless_somebody_says_otherwise(database: Database) -> None:
    """Without a number nothing is forgotten, and nothing is done."""
    retention = Retention(database, retain=None, rest_s=0)
    await runs(LocalEngine(database, retry_for_s=0, observer=retention), database, 3)
    retention.prune_later()
    await retention.close()
    assert await executions(database) == [1, 2, 3]


async def test_who_is_not_the_owner_forgets_nothing(database: Database) -> None:
    """A process whose database another one has taken leaves it alone."""
    await runs(LocalEngine(database, retry_for_s=0), database, 3)
    asked = asyncio.Event()

    def is_owner() -> bool:
        asked.set()
        return False

    retention = Retention(database, retain=1, is_owner=is_owner, rest_s=0)
    retention.prune_later()
    async with asyncio.timeout(DEADLINE_S):
        await asked.wait()
    await retention.close()
    assert await executions(database) == [1, 2, 3]


async def test_a_database_that_refuses_is_tried_after_the_next_end(database: Database) -> None:
    """It is no matter that cannot wait, and no reason for anything to fail."""
    retention = Retention(database, retain=1, rest_s=0)
    engine = LocalEngine(database, retry_for_s=0, observer=retention)
    await runs(LocalEngine(database, retry_for_s=0), database, 3)
    with closing(sqlite3.connect(database.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        refusals = Refusals(database)
        retention.prune_later()
        await refusals.wait_for(1)
        other.execute("ROLLBACK")
    await runs(engine, database, 1)
    await left(database, [4])
    await retention.close()


@pytest.mark.parametrize("is_begun", [True, False])
async def test_it_ends_when_told(database: Database, *, is_begun: bool) -> None:
    """At a shutdown it does not stand in the way, whether it rests or has nothing to do."""
    retention = Retention(database, retain=1, rest_s=DEADLINE_S * 10)
    if is_begun:
        retention.prune_later()
    async with asyncio.timeout(DEADLINE_S):
        await retention.close()
    retention.prune_later()
    assert [one for one in asyncio.all_tasks() if one.get_name() == "retention"] == []

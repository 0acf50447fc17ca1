"""Starts that meet trouble: a stop on their way, a shutdown, a database that refuses them."""

import asyncio
import shutil
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import stamina
from attrs import define
from sqlalchemy import event

from ingest.errors import DatabaseUnavailableError
from ingest.items.job import JobRun
from ingest.jobs.engine import Abandoned
from ingest.model.job import Counts, EventName, JobParameters, JobStatus
from ingest.storage.execution_queries import ExecutionQueries
from ingest.storage.executions import ExecutionStore
from tests.jobs.test_local import ASK, Bench, happened, open_bench
from tests.support.gate import Gate
from tests.support.refusals import Refusals, fail_after, refuse_commits
from tests.support.scripted_job import ScriptedJob
from tests.support.service import DEADLINE_S


@pytest.fixture
async def bench(tmp_path: Path, empty_database: Path) -> AsyncIterator[Bench]:
    """An engine with an empty database, whose jobs are patient."""
    path = tmp_path / "ingest.db"
    shutil.copyfile(empty_database, path)
    async with open_bench(path, retry_for_s=60.0) as bench:
        yield bench


@pytest.fixture
def _retries_at_once() -> Iterator[None]:
    """Let retries have no pauses, and no other bounds than those that the code gives them."""
    stamina.set_testing(True, attempts=1_000, cap=True)
    yield
    stamina.set_testing(False)


@define(eq=False, kw_only=True)
class WritingJob(ScriptedJob):
    """Writes a batch as soon as it may end, and keeps what it was given."""

    given: JobRun | None = None

    async def run(self, run: JobRun) -> str:
        """See `Job.run`."""
        self.given = run
        self.started.set()
        await self.may_end.wait()
        await run.writer.write(lambda _: Counts(created=1), checkpoint="here")
        if self.failure is not None:
            raise self.failure
        return "Everything was written"


def settlers() -> "list[asyncio.Task[object]]":
    """Return the tasks that settle orphans."""
    return [task for task in asyncio.all_tasks() if task.get_name() == "settler of orphans"]


async def settled() -> None:
    """Wait until nothing is being settled any more."""
    async with asyncio.timeout(DEADLINE_S):
        while tasks := settlers():
            await asyncio.wait(tasks)


async def under_way(bench: Bench, job: ScriptedJob) -> "asyncio.Task[int]":
    """Begin a start; return when it has passed the gate and is not on record yet."""
    start = asyncio.create_task(bench.start(job))
    while not bench.engine.registry.gate(bench.instance.id).locked():  # noqa: ASYNC110 - no event
        await asyncio.sleep(0)
    return start


async def test_an_abandon_waits_for_a_start_that_is_under_way(bench: Bench) -> None:
    """What is being put on record is found, and abandoned."""
    start = await under_way(bench, ScriptedJob())
    became = await bench.abandon()
    assert isinstance(became, Abandoned)
    assert became.execution.id == await start


async def test_a_drain_waits_for_a_start_that_is_under_way(bench: Bench) -> None:
    """What was let in just before the shutdown is stopped by it like all the others."""
    job = ScriptedJob()
    job.may_wind_down.set()
    start = await under_way(bench, job)
    assert await bench.engine.drain(grace_s=DEADLINE_S, by="SIGTERM")
    assert (await bench.get(await start)).status is JobStatus.STOPPED
    assert bench.engine.running() == []


async def test_a_job_is_given_what_its_start_asked_for(bench: Bench) -> None:
    """The parameters, and the checkpoint of the execution before it."""
    first = WritingJob(resumable=True, failure=ValueError("no"))
    first.may_end.set()
    await bench.end(await bench.start(first))
    job = WritingJob(resumable=True)
    bench.jobs.append(job)
    asked = JobParameters(is_dry_run=True)
    execution_id = await bench.engine.start(bench.instance, job, ASK, asked)
    await happened(job.started)
    assert job.given is not None
    assert (job.given.parameters, job.given.checkpoint) == (asked, "here")
    assert (await bench.get(execution_id)).parameters == {"dry-run": "true"}


@pytest.mark.usefixtures("_retries_at_once")
async def test_a_batch_that_is_refused_for_now_is_written(bench: Bench) -> None:
    """A job's own writer has the patience of its execution."""
    job = WritingJob()
    execution_id = await bench.run(job)
    refuse_commits(bench.database, times=30)
    job.may_end.set()
    ended = await bench.end(execution_id)
    assert (ended.status, ended.counts.created) == (JobStatus.COMPLETED, 1)


@pytest.mark.usefixtures("_retries_at_once")
async def test_a_start_that_was_carried_out_but_answered_with_an_error_is_settled(
    bench: Bench,
) -> None:
    """Its row is recorded FAILED without waiting for the next start, however often it takes."""
    fail_after(bench.database, commits=1)
    refuse_commits(bench.database, times=30)
    with pytest.raises(DatabaseUnavailableError):
        await bench.start(ScriptedJob())
    assert (await bench.get(1)).status is JobStatus.STARTING
    await settled()
    assert (await bench.get(1)).status is JobStatus.FAILED
    last = (await ExecutionQueries(bench.database).history(1))[-1]
    assert (last.event, last.actor) == (EventName.RECOVERED, "service")
    assert await bench.run(ScriptedJob()) == 2


async def test_an_orphan_is_settled_beside_what_ended_before(bench: Bench) -> None:
    """A start settles the row that nobody runs, and leaves the older ones as they are."""
    job = ScriptedJob()
    job.release()
    first = await bench.end(await bench.start(job))
    fail_after(bench.database, commits=1)
    with pytest.raises(DatabaseUnavailableError):
        await bench.start(ScriptedJob())
    await settled()
    assert (await bench.get(2)).status is JobStatus.FAILED
    assert await bench.get(1) == first


async def test_a_job_that_started_meanwhile_is_no_orphan(bench: Bench) -> None:
    """Between two tries to settle a start that failed the next one may succeed, and goes on."""
    refusals = Refusals(bench.database)
    job = ScriptedJob()
    with closing(sqlite3.connect(bench.database.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(DatabaseUnavailableError):
            await bench.start(ScriptedJob())
        await refusals.wait_for(2)
        other.execute("ROLLBACK")
    execution_id = await bench.run(job)
    await settled()
    assert (await bench.get(execution_id)).status is JobStatus.STARTED


async def test_a_drain_leaves_no_settler_behind(bench: Bench) -> None:
    """What is not settled when the service ends is left to the next owner of the database."""
    with closing(sqlite3.connect(bench.database.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(DatabaseUnavailableError):
            await bench.start(ScriptedJob())
        await asyncio.sleep(0)
        assert len(settlers()) == 1
        async with asyncio.timeout(DEADLINE_S):
            assert await bench.engine.drain(grace_s=DEADLINE_S, by="SIGTERM")
        assert settlers() == []
        other.execute("ROLLBACK")


async def test_a_start_that_is_being_put_on_record_is_no_orphan(bench: Bench) -> None:
    """Who settles waits for the start that is under way, and then finds its job running."""
    left = refuse_commits(bench.database, times=2)
    with pytest.raises(DatabaseUnavailableError):
        await bench.start(ScriptedJob())
    async with asyncio.timeout(DEADLINE_S):
        while left:  # noqa: ASYNC110 - no event
            await asyncio.sleep(0)
    gate = Gate()
    event.listen(bench.database._writer.engine, "commit", gate.halt, once=True)
    start = asyncio.create_task(bench.start(ScriptedJob()))
    await gate.reached()
    await asyncio.wait(settlers(), timeout=0.3)
    gate.open()
    execution_id = await start
    await settled()
    running = {JobStatus.STARTING, JobStatus.STARTED}
    assert (await bench.get(execution_id)).status in running


async def test_nothing_is_settled_while_the_service_ends(bench: Bench) -> None:
    """From the beginning of a drain on what nobody runs is the next owner's."""
    other = (await ExecutionStore(bench.database).instances())[1]
    migration = ScriptedJob(name=other.name)
    bench.jobs.append(migration)
    await bench.engine.start(other, migration, ASK, JobParameters())
    await happened(migration.started)
    fail_after(bench.database, commits=1)
    refuse_commits(bench.database, times=1)
    with pytest.raises(DatabaseUnavailableError):
        await bench.start(ScriptedJob())
    drain = asyncio.create_task(bench.engine.drain(grace_s=DEADLINE_S, by="SIGTERM"))
    await happened(migration.told_to_stop)
    await settled()
    assert not drain.done()
    assert (await bench.get(2)).status is JobStatus.STARTING
    migration.may_wind_down.set()
    assert await drain
    assert (await bench.get(2)).status is JobStatus.STARTING

"""The bookkeeper of a running job: what it writes, when, and through which trouble."""

import asyncio
import shutil
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import stamina
from sqlalchemy import event

from ingest.errors import EndNotRecordedError
from ingest.jobs.engine import Abandoned, NothingToAbandon, StillStopping
from ingest.jobs.recorder import BRIEF_S
from ingest.model.job import Ask, EventName, JobExecution, JobStatus, StopReason
from ingest.storage.execution_queries import ExecutionQueries
from ingest.storage.transitions import utc_now
from tests.jobs.test_local import Bench, happened, open_bench, stopping
from tests.support.databases import change
from tests.support.gate import Gate
from tests.support.refusals import Refusals, fail_after, refuse_commits
from tests.support.scripted_job import ScriptedJob, WhenTold
from tests.support.service import DEADLINE_S

LONG_S = 60.0
NO_ANSWER = "the database has not answered yet"


@pytest.fixture
async def bench(tmp_path: Path, empty_database: Path) -> AsyncIterator[Bench]:
    """An engine with an empty database, whose jobs are patient."""
    path = tmp_path / "ingest.db"
    shutil.copyfile(empty_database, path)
    async with open_bench(path, retry_for_s=LONG_S) as bench:
        yield bench


@pytest.fixture
def _retries_at_once() -> Iterator[None]:
    """Let retries have no pauses, and no other bounds than those that the code gives them."""
    stamina.set_testing(True, attempts=1_000, cap=True)
    yield
    stamina.set_testing(False)


async def stop_asks(bench: Bench, execution_id: int) -> list[str]:
    """Return who asked an execution to stop."""
    history = await ExecutionQueries(bench.database).history(execution_id)
    return [one.actor for one in history if one.event is EventName.STOP_ASKED]


async def abandoned(bench: Bench) -> JobExecution:
    """Abandon what runs; return its execution, which is ABANDONED."""
    became = await bench.abandon()
    assert isinstance(became, Abandoned)
    assert became.execution.status is JobStatus.ABANDONED
    return became.execution


async def test_a_job_that_nobody_stops_is_never_stopping(bench: Bench) -> None:
    """However long it runs, its row says STARTED and its history knows of no ask."""
    execution_id = await bench.run(ScriptedJob())
    running = bench.engine.registry.get(bench.instance.id)
    assert running is not None
    done, _ = await asyncio.wait({running.recorder}, timeout=2 * BRIEF_S)
    assert not done
    assert (await bench.get(execution_id)).status is JobStatus.STARTED
    assert await stop_asks(bench, execution_id) == []


async def test_the_work_has_ended_when_it_has_wound_down(bench: Bench) -> None:
    """Not when it was told to: the end time and the receipt tell the end of the clean-up."""
    job = ScriptedJob()
    execution_id = await bench.run(job)
    abandon = asyncio.create_task(abandoned(bench))
    await stopping(bench, execution_id)
    before = utc_now()
    job.may_wind_down.set()
    execution = await abandon
    assert execution.end_time is not None
    assert execution.end_time >= before
    assert execution.receipt is not None
    assert execution.receipt.asked_at <= before


async def test_an_end_that_is_written_late_tells_when_the_work_ended(bench: Bench) -> None:
    """Time spent on a database that cannot be written is none of the job's."""
    job = ScriptedJob()
    job.may_wind_down.set()
    await bench.run(job)
    refusals = Refusals(bench.database)
    with closing(sqlite3.connect(bench.database.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert isinstance(await bench.abandon(wait_s=0.5), StillStopping)
        over = utc_now()
        await refusals.wait_for(refusals.seen + 1)  # what is tried from now on begins later
        (execution_id,) = [one.execution_id for one in bench.engine.registry.all()]
        stack = bench.engine.stack(execution_id)
        assert stack is not None
        assert "ingest/jobs/recorder.py" in "".join(stack)
        other.execute("ROLLBACK")
    execution = await abandoned(bench)
    assert execution.end_time is not None
    assert execution.end_time < over


async def test_a_stop_that_cannot_be_recorded_yet_is_recorded_with_the_end(bench: Bench) -> None:
    """A database that is locked when the stop comes costs neither the ask nor the recorder."""
    job = ScriptedJob()
    execution_id = await bench.run(job)
    refusals = Refusals(bench.database)
    with closing(sqlite3.connect(bench.database.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        abandon = asyncio.create_task(abandoned(bench))
        await refusals.wait_for(1)
        other.execute("ROLLBACK")
    job.may_wind_down.set()
    await abandon
    assert await stop_asks(bench, execution_id) == ["ada"]


async def test_a_stop_of_what_somebody_ended_by_hand_is_not_recorded(bench: Bench) -> None:
    """A hand that says ABANDONED is believed, and the recorder outlives what it cannot write."""
    job = ScriptedJob(when_told=WhenTold.SWALLOW)
    execution_id = await bench.run(job)
    await change(
        bench.database,
        "UPDATE batch_job_execution SET status = 'ABANDONED', exit_code = 'STOPPED', "
        "exit_message = 'by hand', end_time = last_updated",
    )
    job.may_wind_down.set()
    abandon = asyncio.create_task(abandoned(bench))
    await happened(job.has_written)
    running = bench.engine.registry.get(bench.instance.id)
    assert running is not None
    await asyncio.wait({running.recorder}, timeout=2 * BRIEF_S)
    job.may_end.set()
    assert (await abandon).exit_message == "by hand"
    assert await stop_asks(bench, execution_id) == []


async def test_an_end_whose_commit_was_told_as_an_error_is_the_answer(bench: Bench) -> None:
    """What was written after all is found on record, and the abandon is answered with it."""
    job = ScriptedJob()
    job.may_wind_down.set()
    execution_id = await bench.run(job)
    fail_after(bench.database, commits=1)
    execution = await abandoned(bench)
    assert execution == await bench.get(execution_id)


@pytest.mark.usefixtures("_retries_at_once")
async def test_an_end_is_tried_as_often_as_it_takes(bench: Bench) -> None:
    """A database that refuses again and again does not make the recorder give up."""
    job = ScriptedJob()
    job.may_wind_down.set()
    await bench.run(job)
    refuse_commits(bench.database, times=30)
    async with asyncio.timeout(DEADLINE_S):
        await abandoned(bench)


async def test_a_stop_that_comes_behind_the_end_changes_nothing(bench: Bench) -> None:
    """Work that failed by itself has FAILED, though an abandon came before that was on record."""
    job = ScriptedJob(failure=ValueError("no"))
    execution_id = await bench.run(job)
    gate = Gate()
    event.listen(bench.database._writer.engine, "commit", gate.halt, once=True)
    job.may_end.set()
    await gate.reached()
    late = await bench.abandon(wait_s=0)
    assert isinstance(late, StillStopping)
    assert late.unrecorded == NO_ANSWER
    gate.open()
    assert await bench.abandon() == NothingToAbandon()
    assert (await bench.get(execution_id)).status is JobStatus.FAILED
    assert await stop_asks(bench, execution_id) == []


async def test_a_stop_that_comes_between_two_tries_to_record_a_failure(bench: Bench) -> None:
    """Neither does it count while the end is being tried again."""
    job = ScriptedJob(failure=ValueError("no"))
    execution_id = await bench.run(job)
    with closing(sqlite3.connect(bench.database.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        job.may_end.set()
        async with asyncio.timeout(DEADLINE_S):
            while not bench.engine.unrecorded():  # noqa: ASYNC110 - it has no event
                await asyncio.sleep(0)
        assert isinstance(await bench.abandon(wait_s=0), StillStopping)
        other.execute("ROLLBACK")
    assert (await bench.end(execution_id)).status is JobStatus.FAILED
    assert await stop_asks(bench, execution_id) == []


async def test_a_start_right_behind_an_end_waits_for_its_record(bench: Bench) -> None:
    """For a moment only: then it says what is missing, and that is no conflict."""
    job = ScriptedJob()
    execution_id = await bench.run(job)
    gate = Gate()
    event.listen(bench.database._writer.engine, "commit", gate.halt, once=True)
    job.may_end.set()
    await gate.reached()
    with pytest.raises(EndNotRecordedError, match=NO_ANSWER):
        await bench.start(ScriptedJob())
    start = asyncio.create_task(bench.start(ScriptedJob()))
    for _ in range(5):
        await asyncio.sleep(0)
    assert not start.done()
    gate.open()
    assert await start == execution_id + 1


async def test_a_stop_ends_the_patience_of_the_work(bench: Bench) -> None:
    """A job that was told to stop does not go on trying what a locked database refuses."""
    job = ScriptedJob(when_told=WhenTold.SWALLOW)
    job.may_wind_down.set()
    await bench.run(job)
    (running,) = bench.engine.registry.all()
    with closing(sqlite3.connect(bench.database.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        running.stop(StopReason.REQUEST, Ask("Ada"))
        async with asyncio.timeout(DEADLINE_S):
            await asyncio.wait({running.work})
        other.execute("ROLLBACK")
    assert "While it was stopping: The database" in (await abandoned(bench)).exit_message

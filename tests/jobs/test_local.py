"""The engine that runs jobs in this process, on a real database."""

import asyncio
import re
import shutil
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest
from attrs import define, field

from ingest.errors import (
    DatabaseInUseError,
    EndNotRecordedError,
    ExecutionNotRunningError,
    FencedError,
    JobAlreadyRunningError,
    ServiceStoppingError,
    StartPendingError,
)
from ingest.jobs.engine import Abandoned, Abandonment, NothingToAbandon, StillStopping
from ingest.jobs.local import LocalEngine
from ingest.model.job import (
    Ask,
    EventName,
    JobExecution,
    JobInstance,
    JobParameters,
    JobStatus,
)
from ingest.storage.database import Database
from ingest.storage.execution_queries import ExecutionQueries
from ingest.storage.executions import ExecutionStore
from tests.support.databases import change
from tests.support.scripted_job import ScriptedJob, WhenTold
from tests.support.service import DEADLINE_S

ASK = Ask("ada", "a test")
FOR_LONG = DEADLINE_S
RETRY_FOR_S = 1.0


@define(eq=False, kw_only=True)
class Bench:
    """An engine with a database, and the jobs that it was given."""

    engine: LocalEngine
    database: Database
    instance: JobInstance
    jobs: list[ScriptedJob] = field(factory=list)

    async def start(self, job: ScriptedJob) -> int:
        """Put a job on record and launch it."""
        self.jobs.append(job)
        return await self.engine.start(self.instance, job, ASK, JobParameters())

    async def run(self, job: ScriptedJob) -> int:
        """Start a job and wait until it works."""
        execution_id = await self.start(job)
        await happened(job.started)
        return execution_id

    async def abandon(self, *, wait_s: float = FOR_LONG) -> Abandonment:
        """Abandon what runs."""
        return await self.engine.abandon(self.instance, ASK, wait_s=wait_s)

    async def get(self, execution_id: int) -> JobExecution:
        """Return what is on record of an execution."""
        return await ExecutionQueries(self.database).get(execution_id)

    async def end(self, execution_id: int) -> JobExecution:
        """Wait until the engine has let go of the job; return what is on record of it."""
        running = self.engine.registry.get(self.instance.id)
        if running is not None and running.execution_id == execution_id:
            async with asyncio.timeout(DEADLINE_S):
                await asyncio.wait({running.recorder})
        return await self.get(execution_id)


async def happened(event: asyncio.Event) -> None:
    """Wait for an event, not for ever."""
    async with asyncio.timeout(DEADLINE_S):
        await event.wait()


@asynccontextmanager
async def open_bench(path: Path, *, retry_for_s: float = RETRY_FOR_S) -> AsyncIterator[Bench]:
    """Make an engine on a database; in the end its jobs are let go and drained."""
    database = Database(path, busy_timeout_s=0.2)
    instance = (await ExecutionStore(database).instances())[0]
    bench = Bench(
        engine=LocalEngine(database, retry_for_s=retry_for_s), database=database, instance=instance
    )
    try:
        yield bench
    finally:
        for job in bench.jobs:
            job.release()
        await bench.engine.drain(grace_s=DEADLINE_S, by="the end of the test")
        await database.close()


@pytest.fixture
async def bench(tmp_path: Path, empty_database: Path) -> AsyncIterator[Bench]:
    """An engine with an empty database."""
    path = tmp_path / "ingest.db"
    shutil.copyfile(empty_database, path)
    async with open_bench(path) as bench:
        yield bench


async def test_a_job_runs_to_its_end(bench: Bench) -> None:
    """Work that returns is COMPLETED, with its message."""
    job = ScriptedJob()
    execution_id = await bench.run(job)
    assert (await bench.get(execution_id)).status is JobStatus.STARTED
    assert bench.engine.running() == ["itemSynchronizationJob (execution 1)"]
    assert bench.engine.unrecorded() == []
    job.may_end.set()
    ended = await bench.end(execution_id)
    assert (ended.status, ended.exit_message) == (JobStatus.COMPLETED, "Everything was done")


async def test_an_abandon_waits_for_the_wind_down(bench: Bench) -> None:
    """The answer to an abandon comes after the clean-up, from the recorded row."""
    job = ScriptedJob()
    execution_id = await bench.run(job)
    abandon = asyncio.create_task(bench.abandon())
    await happened(job.told_to_stop)
    assert not abandon.done()
    job.may_wind_down.set()
    became = await abandon
    assert isinstance(became, Abandoned)
    assert job.wound_down
    assert became.execution == await bench.get(execution_id)
    assert became.execution.status is JobStatus.ABANDONED
    assert became.execution.exit_message.startswith("Abandoned on request of ada (a test) at ")
    assert [step.status for step in became.execution.steps] == [JobStatus.STOPPED]


async def test_two_abandons_share_one_wind_down(bench: Bench) -> None:
    """Abandoned twice at once: both are told of the same end, and the work is cancelled once."""
    job = ScriptedJob()
    await bench.run(job)
    abandons = [asyncio.create_task(bench.abandon()) for _ in range(2)]
    await happened(job.told_to_stop)
    assert not any(abandon.done() for abandon in abandons)
    job.may_wind_down.set()
    first, second = await asyncio.gather(*abandons)
    assert isinstance(first, Abandoned)
    assert first == second


async def test_a_caller_that_leaves_changes_nothing(bench: Bench) -> None:
    """With its caller gone the wind-down goes on, and its end is recorded."""
    job = ScriptedJob()
    execution_id = await bench.run(job)
    abandon = asyncio.create_task(bench.abandon())
    await happened(job.told_to_stop)
    abandon.cancel()
    with pytest.raises(asyncio.CancelledError):
        await abandon
    assert not job.wound_down
    job.may_wind_down.set()
    assert (await bench.end(execution_id)).status is JobStatus.ABANDONED
    assert job.wound_down


async def test_a_starter_that_leaves_leaves_no_half_start(bench: Bench) -> None:
    """A start whose caller goes away is carried out whole: what is on record also runs."""
    job = ScriptedJob()
    start = asyncio.create_task(bench.start(job))
    await asyncio.sleep(0)
    start.cancel()
    with pytest.raises(asyncio.CancelledError):
        await start
    await happened(job.started)
    job.may_end.set()
    assert (await bench.end(1)).status is JobStatus.COMPLETED


async def test_what_completes_although_told_to_stop_has_completed(bench: Bench) -> None:
    """Told to stop and completed anyway: nothing was abandoned, and the row says COMPLETED."""
    job = ScriptedJob(when_told=WhenTold.COMPLETE)
    job.may_wind_down.set()
    execution_id = await bench.run(job)
    assert await bench.abandon() == NothingToAbandon()
    assert (await bench.get(execution_id)).status is JobStatus.COMPLETED


async def test_an_error_while_stopping_is_still_a_stop(bench: Bench) -> None:
    """An error on the way to the stop is in the message of an ABANDONED execution."""
    job = ScriptedJob(when_told=WhenTold.RAISE)
    job.may_wind_down.set()
    await bench.run(job)
    became = await bench.abandon()
    assert isinstance(became, Abandoned)
    assert became.execution.status is JobStatus.ABANDONED
    message = became.execution.exit_summary
    assert message.startswith("Abandoned on request of ada (a test) at ")
    assert "While it was stopping: Unexpected RuntimeError: the clean-up went wrong" in message


async def test_a_job_that_ignores_its_cancellation_is_fenced(bench: Bench) -> None:
    """After the grace nothing is written any more, nothing starts, and the end is ABANDONED."""
    job = ScriptedJob(when_told=WhenTold.SWALLOW)
    execution_id = await bench.run(job)
    stuck = await bench.abandon(wait_s=0.01)
    assert isinstance(stuck, StillStopping)
    assert (stuck.execution_id, stuck.waited_s, stuck.unrecorded) == (execution_id, 0.01, None)
    assert stuck.place is not None
    assert re.fullmatch(r"tests/support/scripted_job\.py:\d+ in run", stuck.place)

    job.may_wind_down.set()
    await happened(job.has_written)
    assert isinstance(job.refused, FencedError)
    await stopping(bench, execution_id)
    document = await bench.get(execution_id)
    assert (document.counts.created, document.progress.processed) == (0, 0)

    with pytest.raises(JobAlreadyRunningError):
        await bench.start(ScriptedJob())
    abandon = asyncio.create_task(bench.abandon())
    job.may_end.set()
    became = await abandon
    assert isinstance(became, Abandoned)
    assert became.execution.status is JobStatus.ABANDONED
    assert await bench.run(ScriptedJob()) == execution_id + 1


async def test_what_is_abandoned_before_its_first_step_never_runs(bench: Bench) -> None:
    """An abandon in STARTING is final: the job's body is not entered afterwards."""
    job = ScriptedJob()
    execution_id = await bench.start(job)
    became = await bench.abandon()
    assert isinstance(became, Abandoned)
    assert (became.execution.id, became.execution.status) == (execution_id, JobStatus.ABANDONED)
    assert job.runs == 0
    assert await bench.run(ScriptedJob()) == execution_id + 1
    assert job.runs == 0


async def test_of_twenty_starts_at_once_one_wins(bench: Bench) -> None:
    """All the others are told which execution runs."""
    job = ScriptedJob()
    answers = await asyncio.gather(*(bench.start(job) for _ in range(20)), return_exceptions=True)
    refused = [one for one in answers if isinstance(one, JobAlreadyRunningError)]
    assert answers.count(1) == 1
    assert [one.execution_id for one in refused] == [1] * 19
    await happened(job.started)
    assert job.runs == 1
    assert len(await ExecutionQueries(bench.database).page(limit=100)) == 1


async def test_a_drain_stops_what_runs(bench: Bench) -> None:
    """At shutdown a running job is told to stop, awaited, and recorded STOPPED."""
    job = ScriptedJob()
    execution_id = await bench.run(job)
    drain = asyncio.create_task(bench.engine.drain(grace_s=FOR_LONG, by="SIGTERM"))
    await happened(job.told_to_stop)
    assert not drain.done()
    job.may_wind_down.set()
    assert await drain
    ended = await bench.get(execution_id)
    assert ended.status is JobStatus.STOPPED
    assert ended.exit_message.startswith("Stopped on request of SIGTERM (the service shuts down) ")


async def test_a_drain_does_not_wait_for_ever(bench: Bench) -> None:
    """A job that does not wind down in time is told of, fenced, and left."""
    job = ScriptedJob(when_told=WhenTold.SWALLOW)
    execution_id = await bench.run(job)
    assert not await bench.engine.drain(grace_s=0.01, by="SIGTERM")
    job.may_wind_down.set()
    await happened(job.has_written)
    assert isinstance(job.refused, FencedError)
    assert (await bench.get(execution_id)).counts.created == 0


@pytest.mark.parametrize("is_abandoned_first", [False, True])
async def test_an_abandon_outranks_a_shutdown(bench: Bench, *, is_abandoned_first: bool) -> None:
    """Whichever came first, with both asked for the execution is ABANDONED and its caller told."""
    job = ScriptedJob()
    execution_id = await bench.run(job)
    abandon = asyncio.ensure_future(bench.abandon()) if is_abandoned_first else None
    if abandon is not None:
        await happened(job.told_to_stop)
    drain = asyncio.create_task(bench.engine.drain(grace_s=FOR_LONG, by="SIGTERM"))
    await happened(job.told_to_stop)
    if abandon is None:
        await stopping(bench, execution_id)
        assert isinstance(await bench.abandon(wait_s=0), StillStopping)
        abandon = asyncio.ensure_future(bench.abandon())
    job.may_wind_down.set()
    became = await abandon
    assert isinstance(became, Abandoned)
    assert await drain
    ended = await bench.get(execution_id)
    assert ended.status is JobStatus.ABANDONED
    assert ended.exit_message.startswith("Abandoned on request of ")
    assert ended.receipt is not None
    assert ended.receipt.by != "SIGTERM"


async def stopping(bench: Bench, execution_id: int) -> None:
    """Wait until it is on record that an execution was told to stop."""
    async with asyncio.timeout(DEADLINE_S):
        while (await bench.get(execution_id)).status is not JobStatus.STOPPING:
            pass


async def test_nothing_starts_while_draining(bench: Bench) -> None:
    """From the moment a drain begins a start is refused, and leaves no row."""
    job = ScriptedJob()
    await bench.run(job)
    drain = asyncio.create_task(bench.engine.drain(grace_s=FOR_LONG, by="SIGTERM"))
    await happened(job.told_to_stop)
    with pytest.raises(ServiceStoppingError):
        await bench.start(ScriptedJob())
    job.may_wind_down.set()
    assert await drain
    with pytest.raises(ServiceStoppingError):
        await bench.start(ScriptedJob())
    assert len(await ExecutionQueries(bench.database).page(limit=100)) == 1


async def test_work_that_nobody_asked_to_stop_has_failed(bench: Bench) -> None:
    """A task cancelled by nobody of ours is FAILED, and says so."""
    job = ScriptedJob()
    job.may_wind_down.set()
    execution_id = await bench.run(job)
    running = bench.engine.registry.get(bench.instance.id)
    assert running is not None
    running.work.cancel()
    ended = await bench.end(execution_id)
    assert ended.status is JobStatus.FAILED
    message = "The job's task was cancelled, though nobody asked to stop it"
    assert ended.exit_message == message
    assert await bench.abandon() == NothingToAbandon()


async def test_a_job_that_raises_has_failed(bench: Bench) -> None:
    """An unexpected error is FAILED, and does not keep the job from starting again."""
    job = ScriptedJob(failure=ValueError("no"))
    job.may_end.set()
    execution_id = await bench.start(job)
    ended = await bench.end(execution_id)
    assert ended.status is JobStatus.FAILED
    assert ended.exit_summary.startswith("Unexpected ValueError: no. ")
    assert "Traceback" in ended.exit_message
    assert await bench.start(ScriptedJob()) == execution_id + 1


async def test_only_the_execution_that_is_named_is_stopped(bench: Bench) -> None:
    """An abandon that names another execution stops nothing."""
    job = ScriptedJob()
    execution_id = await bench.run(job)
    with pytest.raises(ExecutionNotRunningError) as caught:
        await bench.engine.abandon(bench.instance, ASK, wait_s=1, execution_id=execution_id + 1)
    assert caught.value.running == execution_id
    assert not job.told_to_stop.is_set()


async def test_what_a_dead_process_left_running_has_failed(
    bench: Bench, tmp_path: Path, empty_database: Path
) -> None:
    """The new owner of a database records orphans FAILED, in whichever status they were found."""
    path = tmp_path / "left.db"
    shutil.copyfile(empty_database, path)
    database = Database(path)
    store = ExecutionStore(database)
    try:
        started = await store.start(bench.instance, owner="gone", ask=ASK, resumable=False)
        await store.mark_started(started.execution_id, step_name="step", checkpoint=None)
        await store.mark_stopping(started.execution_id, [])
        assert await store.recover(actor="service") == [started.execution_id]
        found = await ExecutionQueries(database).get(started.execution_id)
        assert found.status is JobStatus.FAILED
        assert found.exit_message.startswith(
            "the service ended while this execution was running (found STOPPING)"
        )
        assert await store.recover(actor="service") == []
    finally:
        await database.close()


async def test_a_row_that_nobody_runs_hinders_no_start(bench: Bench) -> None:
    """What is on record as running, and is not, is settled by the start that meets it."""
    store = ExecutionStore(bench.database)
    orphan = await store.start(bench.instance, owner="nobody", ask=ASK, resumable=False)
    assert await bench.start(ScriptedJob()) == orphan.execution_id + 1
    settled = await bench.get(orphan.execution_id)
    assert settled.status is JobStatus.FAILED
    assert settled.exit_message.startswith("the service did not run this execution")


async def test_the_other_job_is_no_orphan(bench: Bench) -> None:
    """Settling the orphan of one job leaves what runs of the other alone."""
    job = ScriptedJob()
    execution_id = await bench.run(job)
    store = ExecutionStore(bench.database)
    other = (await store.instances())[1]
    orphan = await store.start(other, owner="nobody", ask=ASK, resumable=False)
    migration = ScriptedJob(name=other.name)
    bench.jobs.append(migration)
    await bench.engine.start(other, migration, ASK, JobParameters())
    assert (await bench.get(orphan.execution_id)).status is JobStatus.FAILED
    assert (await bench.get(execution_id)).status is JobStatus.STARTED


async def test_an_end_that_somebody_wrote_by_hand_stands(bench: Bench) -> None:
    """The work is told to stop all the same, nothing is rewritten, and the next start works."""
    job = ScriptedJob()
    job.may_wind_down.set()
    execution_id = await bench.run(job)
    await change(
        bench.database,
        "UPDATE batch_job_execution SET status = 'FAILED', exit_code = 'FAILED', "
        "exit_message = 'by hand', end_time = last_updated",
    )
    by_hand = await bench.get(execution_id)
    assert await bench.abandon() == NothingToAbandon()
    assert job.wound_down
    assert await bench.get(execution_id) == by_hand
    assert await bench.run(ScriptedJob()) == execution_id + 1


async def test_a_row_that_somebody_removed_keeps_nothing(bench: Bench) -> None:
    """There is nothing left to record: the job is let go, and the next start works."""
    job = ScriptedJob(when_told=WhenTold.SWALLOW)
    await bench.run(job)
    for table in ("step_execution", "job_execution_progress", "job_execution_event"):
        await change(bench.database, f"DELETE FROM batch_{table}")  # noqa: S608  # a test's own
    await change(bench.database, "DELETE FROM batch_job_execution")
    job.release()
    assert await bench.abandon() == NothingToAbandon()
    assert isinstance(job.refused, FencedError)
    await bench.run(ScriptedJob())


async def test_an_end_that_cannot_be_written_is_written_when_it_can(bench: Bench) -> None:
    """Meanwhile an abandon is STOPPING and a start says why it must wait; no 409, no restart."""
    job = ScriptedJob()
    job.may_wind_down.set()
    execution_id = await bench.run(job)
    with closing(sqlite3.connect(bench.database.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        stuck = await bench.abandon(wait_s=1)
        assert isinstance(stuck, StillStopping)
        assert stuck.unrecorded is not None
        assert "database is locked" in stuck.unrecorded
        with pytest.raises(EndNotRecordedError, match="database is locked"):
            await bench.start(ScriptedJob())
        assert bench.engine.unrecorded() == [
            f"the end of execution {execution_id} cannot be written: {stuck.unrecorded}"
        ]
        other.execute("ROLLBACK")
    became = await bench.abandon()
    assert isinstance(became, Abandoned)
    assert became.execution.id == execution_id
    assert bench.engine.unrecorded() == []
    assert await bench.run(ScriptedJob()) == execution_id + 1


async def test_an_abandon_that_was_asked_for_by_several_names_the_first(bench: Bench) -> None:
    """The message names who decided; the history names everybody."""
    job = ScriptedJob()
    execution_id = await bench.run(job)
    askers = [Ask("Ada", "too slow"), Ask("Bob", "me too")]
    abandons = []
    for ask in askers:
        abandons.append(
            asyncio.create_task(bench.engine.abandon(bench.instance, ask, wait_s=FOR_LONG))
        )
        await stopping(bench, execution_id)
    job.may_wind_down.set()
    await asyncio.gather(*abandons)
    ended = await bench.get(execution_id)
    assert ended.exit_message.startswith("Abandoned on request of Ada (too slow) at ")
    history = await ExecutionQueries(bench.database).history(execution_id)
    asked = [event.actor for event in history if event.event is EventName.STOP_ASKED]
    assert asked == ["Ada", "Bob"]


async def test_an_abandon_does_not_wait_for_a_start_beyond_its_time(bench: Bench) -> None:
    """While a start waits for the database it is told so, and nothing is said to be stopped."""
    async with bench.engine.registry.gate(bench.instance.id):
        with pytest.raises(StartPendingError, match="nothing was done"):
            await bench.abandon(wait_s=0)


async def test_an_abandon_without_patience_meets_a_start_under_way(bench: Bench) -> None:
    """What is being started is stopped all the same: a start takes but a moment."""
    job = ScriptedJob()
    job.may_wind_down.set()
    start = asyncio.create_task(bench.start(job))
    async with asyncio.timeout(DEADLINE_S):
        while not bench.engine.registry.gate(bench.instance.id).locked():  # noqa: ASYNC110
            await asyncio.sleep(0)
    became = await bench.abandon(wait_s=0)
    execution_id = await start
    assert became != NothingToAbandon()
    assert (await bench.end(execution_id)).status is JobStatus.ABANDONED


async def test_a_drain_tells_what_runs_before_it_waits_for_starts(bench: Bench) -> None:
    """A start of the other job that waits for the database keeps nobody from winding down."""
    job = ScriptedJob()
    await bench.run(job)
    other = (await ExecutionStore(bench.database).instances())[1]
    async with bench.engine.registry.gate(other.id):
        drain = asyncio.create_task(bench.engine.drain(grace_s=FOR_LONG, by="SIGTERM"))
        await happened(job.told_to_stop)
        job.may_wind_down.set()
        assert not drain.done()
    assert await drain


async def test_who_has_lost_the_database_starts_nothing(bench: Bench) -> None:
    """Another process owns it: its rows are not for us to settle."""
    store = ExecutionStore(bench.database)
    theirs = await store.start(bench.instance, owner="theirs", ask=ASK, resumable=False)
    engine = LocalEngine(bench.database, retry_for_s=0, is_owner=lambda: False)
    with pytest.raises(DatabaseInUseError, match="lock file was removed"):
        await engine.start(bench.instance, ScriptedJob(), ASK, JobParameters())
    assert (await bench.get(theirs.execution_id)).status is JobStatus.STARTING
    await store.settle_orphan(bench.instance.id, actor="a test")


async def test_a_row_that_cannot_be_marked_stopping_still_ends(bench: Bench) -> None:
    """Whatever keeps STOPPING from being written, the end comes when it can."""
    job = ScriptedJob()
    execution_id = await bench.run(job)
    trigger = (
        "CREATE TRIGGER refuse BEFORE UPDATE ON batch_job_execution WHEN new.status = 'STOPPING' "
        "BEGIN SELECT RAISE(ABORT, 'not now'); END"
    )
    await change(bench.database, trigger)
    assert isinstance(await bench.abandon(wait_s=0.01), StillStopping)
    job.may_wind_down.set()
    became = await bench.abandon()
    assert isinstance(became, Abandoned)
    assert (await bench.get(execution_id)).status is JobStatus.ABANDONED

"""How the rows of job executions come to be, change and end."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import pytest
from sqlalchemy import Connection

from ingest.errors import IllegalTransitionError, JobAlreadyRunningError, JobExecutionNotFoundError
from ingest.model.job import (
    ENDED,
    RESUMABLE,
    Ask,
    EventName,
    ExitCode,
    JobExecution,
    JobInstance,
    JobStatus,
    Outcome,
    StopAsked,
    StopReason,
)
from ingest.storage.database import Database
from ingest.storage.execution_queries import ExecutionQueries
from ingest.storage.executions import ExecutionStore, Started
from ingest.storage.transitions import utc_now
from tests.support.databases import change, rows, started

T = TypeVar("T")

ASK = Ask("Ada", "the weekly run")


@pytest.fixture
def store(database: Database) -> ExecutionStore:
    """What writes the rows."""
    return ExecutionStore(database)


@pytest.fixture
def queries(database: Database) -> ExecutionQueries:
    """What reads the rows."""
    return ExecutionQueries(database)


@pytest.fixture
async def instance(store: ExecutionStore) -> JobInstance:
    """The first of the jobs."""
    return (await store.instances())[0]


async def start(store: ExecutionStore, instance: JobInstance, *, resumable: bool = True) -> Started:
    """Put an execution on record."""
    return await store.start(instance, owner="me", ask=ASK, resumable=resumable)


async def end(
    store: ExecutionStore,
    execution_id: int,
    status: JobStatus,
    *,
    at: datetime | None = None,
    asks: Sequence[StopAsked] = (),
) -> JobExecution:
    """End an execution."""
    outcome = Outcome(status, "the end")
    return await store.end(
        execution_id, lambda _: outcome, work_ended_at=at or utc_now(), asks=asks
    )


async def test_an_execution_from_its_start_to_its_end(
    store: ExecutionStore, queries: ExecutionQueries, instance: JobInstance
) -> None:
    """Each change of status brings the times, codes, step and history that go with it."""
    begun = await start(store, instance)
    starting = await queries.get(begun.execution_id)
    assert (starting.status, starting.exit_code) == (JobStatus.STARTING, ExitCode.EXECUTING)
    assert (starting.start_time, starting.end_time, starting.steps) == (None, None, ())
    assert starting.create_time == starting.last_updated

    await store.mark_started(begun.execution_id, step_name="a step", checkpoint=None)
    working = await queries.get(begun.execution_id)
    assert working.status is JobStatus.STARTED
    assert working.start_time is not None
    assert [(step.name, step.status) for step in working.steps] == [("a step", JobStatus.STARTED)]
    (step,) = working.steps
    assert (step.exit_code, step.end_time) == (ExitCode.EXECUTING, None)
    assert step.create_time == step.start_time == step.last_updated == working.start_time

    asked = StopAsked(utc_now(), Ask("Bob", "too slow"), StopReason.REQUEST)
    await store.mark_stopping(begun.execution_id, [asked])
    stopping = await queries.get(begun.execution_id)
    assert (stopping.status, stopping.exit_code) == (JobStatus.STOPPING, ExitCode.EXECUTING)
    assert stopping.receipt is not None
    assert stopping.receipt.by == "Bob"
    later = StopAsked(utc_now(), Ask("Cem"), StopReason.REQUEST)
    await end(store, begun.execution_id, JobStatus.ABANDONED, asks=[asked, later])
    ended = await queries.get(begun.execution_id)
    assert (ended.status, ended.exit_code) == (JobStatus.ABANDONED, ExitCode.STOPPED)
    assert ended.exit_message == "the end"
    assert ended.end_time is not None
    (step,) = ended.steps
    assert (step.status, step.exit_code) == (JobStatus.STOPPED, ExitCode.STOPPED)
    assert (step.exit_message, step.end_time) == ("the end", ended.end_time)
    assert step.last_updated == ended.end_time
    assert ended.receipt is not None
    assert (ended.receipt.by, ended.receipt.asked_at) == ("Bob", asked.at)
    versions = [one.version for one in (starting, working, stopping, ended)]
    assert versions == [0, 1, 2, 3]

    history = await queries.history(begun.execution_id)
    assert history[0].at == starting.create_time
    assert [event.at for event in history[2:4]] == [asked.at, later.at]
    assert [(event.event, event.actor, event.detail) for event in history] == [
        (EventName.REQUESTED, "Ada", "the weekly run"),
        (EventName.STARTED, "service", None),
        (EventName.STOP_ASKED, "Bob", "too slow"),
        (EventName.STOP_ASKED, "Cem", None),
        (EventName.ENDED, "service", "ABANDONED"),
    ]


@pytest.mark.parametrize(
    ("status", "by"), [(JobStatus.ABANDONED, "Bob"), (JobStatus.STOPPED, "SIGTERM")]
)
async def test_a_receipt_names_who_made_it_end_so(
    store: ExecutionStore,
    queries: ExecutionQueries,
    instance: JobInstance,
    status: JobStatus,
    by: str,
) -> None:
    """An abandonment's is the first request's, though a shutdown may have been asked before it."""
    execution_id = (await start(store, instance)).execution_id
    asks = [
        StopAsked(utc_now(), Ask("SIGTERM"), StopReason.SHUTDOWN),
        StopAsked(utc_now(), Ask("Bob", "too slow"), StopReason.REQUEST),
        StopAsked(utc_now(), Ask("Cem"), StopReason.REQUEST),
    ]
    await store.mark_stopping(execution_id, asks[:1])
    ended = await end(store, execution_id, status, asks=asks)
    assert ended.receipt is not None
    (asked,) = [one for one in asks if one.ask.by == by]
    assert ended.receipt.by == by
    assert (ended.receipt.asked_at, ended.receipt.reason) == (asked.at, asked.ask.reason)
    assert await queries.get(execution_id) == ended


async def test_asks_of_before_they_had_a_reason(
    store: ExecutionStore, queries: ExecutionQueries, database: Database, instance: JobInstance
) -> None:
    """Of what earlier versions have recorded the first ask is shown."""
    execution_id = (await start(store, instance)).execution_id
    asks = [
        StopAsked(utc_now(), Ask("SIGTERM"), StopReason.SHUTDOWN),
        StopAsked(utc_now(), Ask("Bob"), StopReason.REQUEST),
    ]
    await end(store, execution_id, JobStatus.ABANDONED, asks=asks)
    await change(database, "UPDATE batch_job_execution_event SET why = NULL")
    receipt = (await queries.get(execution_id)).receipt
    assert receipt is not None
    assert receipt.by == "SIGTERM"


@pytest.mark.parametrize("status", sorted(ENDED))
async def test_what_has_ended_is_never_rewritten(
    store: ExecutionStore, database: Database, instance: JobInstance, status: JobStatus
) -> None:
    """Whatever is tried on an ended execution raises, and leaves every row as it was."""
    execution_id = (await start(store, instance)).execution_id
    await store.mark_started(execution_id, step_name="a step", checkpoint=None)
    await end(store, execution_id, status)

    async def dump() -> list[list[object]]:
        tables = ("batch_job_execution", "batch_step_execution", "batch_job_execution_event")
        found = [await rows(database, f"SELECT * FROM {table}") for table in tables]  # noqa: S608
        return [list(map(tuple, one)) for one in found]

    before = await dump()
    with pytest.raises(IllegalTransitionError):
        await store.mark_started(execution_id, step_name="a step", checkpoint="{}")
    with pytest.raises(IllegalTransitionError):
        await store.mark_stopping(execution_id, [StopAsked(utc_now(), ASK, StopReason.REQUEST)])
    for other in ENDED:
        with pytest.raises(IllegalTransitionError):
            await end(store, execution_id, other)
    assert await store.recover(actor="a test") == []
    assert await dump() == before


async def test_of_two_ends_at_once_one_wins(
    store: ExecutionStore, queries: ExecutionQueries, instance: JobInstance
) -> None:
    """The one that comes first stands, the other is told."""
    execution_id = (await start(store, instance)).execution_id
    results = await asyncio.gather(
        end(store, execution_id, JobStatus.COMPLETED),
        end(store, execution_id, JobStatus.ABANDONED),
        return_exceptions=True,
    )
    (refused,) = [one for one in results if isinstance(one, BaseException)]
    assert isinstance(refused, IllegalTransitionError)
    expected = JobStatus.ABANDONED if refused is results[0] else JobStatus.COMPLETED
    assert (await queries.get(execution_id)).status is expected


async def test_an_execution_told_to_stop_before_it_began_does_not_begin(
    store: ExecutionStore, instance: JobInstance
) -> None:
    """There is no way from STOPPING back to STARTED, nor a second one to STOPPING."""
    execution_id = (await start(store, instance)).execution_id
    await store.mark_stopping(execution_id, [])
    with pytest.raises(IllegalTransitionError):
        await store.mark_started(execution_id, step_name="a step", checkpoint=None)
    with pytest.raises(IllegalTransitionError):
        await store.mark_stopping(execution_id, [])


async def test_of_many_starts_at_once_one_wins(
    store: ExecutionStore, queries: ExecutionQueries, instance: JobInstance
) -> None:
    """The others are told which execution runs; the other job is not concerned."""
    results = await asyncio.gather(
        *(start(store, instance) for _ in range(10)), return_exceptions=True
    )
    (won,) = [one for one in results if isinstance(one, Started)]
    refused = [one for one in results if isinstance(one, JobAlreadyRunningError)]
    assert len(refused) == 9
    assert {one.execution_id for one in refused} == {won.execution_id}
    await start(store, (await store.instances())[1])
    assert len(await queries.page(limit=10)) == 2


@pytest.mark.parametrize("status", sorted(ENDED))
async def test_a_checkpoint_is_handed_on_only_from_where_one_may_resume(
    store: ExecutionStore,
    queries: ExecutionQueries,
    database: Database,
    instance: JobInstance,
    status: JobStatus,
) -> None:
    """After STOPPED or FAILED the next execution gets it; otherwise, or unasked, it does not."""
    writer = await started(database)
    await writer.write(checkpoint='{"after": 7}')
    await end(store, writer.execution_id, status)

    begun = await start(store, instance)
    assert begun.checkpoint == ('{"after": 7}' if status in RESUMABLE else None)
    await store.mark_started(begun.execution_id, step_name="step", checkpoint=begun.checkpoint)
    events = [
        (event.event, event.actor, event.detail)
        for event in await queries.history(begun.execution_id)
    ]
    resumed = (EventName.CHECKPOINT_RESUMED, "service", '{"after": 7}')
    assert events[2:] == ([resumed] if status in RESUMABLE else [])

    await end(store, begun.execution_id, JobStatus.FAILED)
    assert (await start(store, instance, resumable=False)).checkpoint is None


async def test_a_checkpoint_survives_an_execution_that_never_wrote_one(
    store: ExecutionStore, database: Database, instance: JobInstance
) -> None:
    """What was handed on is the new execution's own from its first moment."""
    writer = await started(database)
    await writer.write(checkpoint='{"after": 7}')
    for _ in range(2):
        await store.recover(actor="a test")
        begun = await start(store, instance)
        assert begun.checkpoint == '{"after": 7}'
        await store.mark_started(begun.execution_id, step_name="step", checkpoint=begun.checkpoint)
    await store.recover(actor="a test")
    never_begun = await start(store, instance)
    assert never_begun.checkpoint == '{"after": 7}'
    await store.recover(actor="a test")
    assert (await start(store, instance)).checkpoint == '{"after": 7}'


async def test_the_checkpoint_is_that_of_the_last_execution_of_the_job(
    store: ExecutionStore, database: Database, instance: JobInstance
) -> None:
    """Neither an older execution's nor the other job's is handed on, whoever had one."""
    old = await started(database)
    await old.write(checkpoint="old")
    await end(store, old.execution_id, JobStatus.STOPPED)
    newer = await started(database)
    await newer.write(checkpoint="newer")
    await end(store, newer.execution_id, JobStatus.STOPPED)
    other = await started(database, job=1)
    await other.write(checkpoint="the other job's")
    await end(store, other.execution_id, JobStatus.STOPPED)
    resumed = await start(store, instance)
    assert resumed.checkpoint == "newer"
    await end(store, resumed.execution_id, JobStatus.STOPPED)
    without = await start(store, instance, resumable=False)
    await end(store, without.execution_id, JobStatus.COMPLETED)
    assert (await start(store, instance)).checkpoint is None


async def test_a_start_that_is_recorded_twice_has_begun_once(
    store: ExecutionStore, queries: ExecutionQueries, instance: JobInstance
) -> None:
    """A retry of what was committed after all changes nothing: one step, one event."""
    execution_id = (await start(store, instance)).execution_id
    await store.mark_started(execution_id, step_name="a step", checkpoint=None)
    once = await queries.get(execution_id), await queries.history(execution_id)
    await store.mark_started(execution_id, step_name="a step", checkpoint=None)
    assert (await queries.get(execution_id), await queries.history(execution_id)) == once


async def test_each_job_begins_stops_and_ends_for_itself(
    store: ExecutionStore, queries: ExecutionQueries, database: Database
) -> None:
    """What becomes of one execution leaves the row, step and history of the other as they were."""
    one = (await started(database)).execution_id
    before = await queries.get(one), await queries.history(one)
    other = (await started(database, job=1)).execution_id
    assert (await queries.get(other)).status is JobStatus.STARTED
    asked = StopAsked(utc_now(), ASK, StopReason.REQUEST)
    await store.mark_stopping(other, [asked])
    await end(store, other, JobStatus.ABANDONED, asks=[asked])
    assert (await queries.get(one), await queries.history(one)) == before
    await end(store, one, JobStatus.ABANDONED, asks=[asked])
    assert EventName.STOP_ASKED in {event.event for event in await queries.history(one)}


async def test_a_refused_start_names_the_one_that_runs(
    store: ExecutionStore, database: Database, instance: JobInstance
) -> None:
    """Not one of the job that has ended, nor what runs of the other job."""
    await started(database, job=1)
    await end(store, (await start(store, instance)).execution_id, JobStatus.COMPLETED)
    running = await start(store, instance)
    with pytest.raises(JobAlreadyRunningError) as caught:
        await start(store, instance)
    assert caught.value.execution_id == running.execution_id


class _EndsMeanwhile:
    """A database in which what runs ends between a start that is refused and the look at why."""

    def __init__(self, database: Database, running: int) -> None:
        self._database = database
        self._running: int | None = running

    async def read(self, query: Callable[[Connection], T]) -> T:
        """See `Database.read`."""
        if self._running is not None:
            running, self._running = self._running, None
            await end(ExecutionStore(self._database), running, JobStatus.STOPPED)
        return await self._database.read(query)

    async def write(self, work: Callable[[Connection], T]) -> T:
        """See `Database.write`."""
        return await self._database.write(work)


async def test_a_start_that_meets_an_end_is_carried_out(
    queries: ExecutionQueries, database: Database, instance: JobInstance
) -> None:
    """Refused for one that has ended meanwhile, it is tried again with all that it asked for."""
    first = await started(database)
    await first.write(checkpoint="here")
    store = ExecutionStore(_EndsMeanwhile(database, first.execution_id))
    begun = await store.start(
        instance, owner="you", ask=ASK, resumable=True, parameters={"source": "stored"}
    )
    assert (begun.execution_id, begun.checkpoint) == (first.execution_id + 1, "here")
    execution = await queries.get(begun.execution_id)
    assert execution.parameters == {"source": "stored"}
    assert (await queries.history(begun.execution_id))[0].actor == ASK.by
    (row,) = await rows(database, "SELECT owner FROM batch_job_execution WHERE end_time IS NULL")
    assert row.owner == "you"


@pytest.mark.parametrize("found", [JobStatus.STARTING, JobStatus.STARTED, JobStatus.STOPPING])
async def test_orphans_are_recovered_as_failed(
    store: ExecutionStore, queries: ExecutionQueries, instance: JobInstance, found: JobStatus
) -> None:
    """What a dead process left running has FAILED, and the job can start again."""
    execution_id = (await start(store, instance)).execution_id
    if found is not JobStatus.STARTING:
        await store.mark_started(execution_id, step_name="a step", checkpoint=None)
    if found is JobStatus.STOPPING:
        await store.mark_stopping(execution_id, [])

    assert await store.recover(actor="a test") == [execution_id]
    ended: JobExecution = await queries.get(execution_id)
    assert (ended.status, ended.exit_code) == (JobStatus.FAILED, ExitCode.FAILED)
    assert ended.exit_message.startswith("the service ended while this execution was running")
    assert [step.status for step in ended.steps] in ([], [JobStatus.FAILED])
    last = (await queries.history(execution_id))[-1]
    assert (last.event, last.detail) == (EventName.RECOVERED, f"found {found}")
    await start(store, instance)


async def test_an_end_is_never_before_its_beginning(
    store: ExecutionStore, queries: ExecutionQueries, database: Database
) -> None:
    """A clock that stepped back in between does not show in the row."""
    writer = await started(database)
    before = utc_now() - timedelta(days=1)
    ended = await end(store, writer.execution_id, JobStatus.COMPLETED, at=before)
    assert ended == await queries.get(writer.execution_id)
    assert ended.end_time == ended.start_time


async def test_a_beginning_is_never_before_the_start(
    store: ExecutionStore, queries: ExecutionQueries, database: Database, instance: JobInstance
) -> None:
    """Nor does a change of status take back when the row was last updated."""
    execution_id = (await start(store, instance)).execution_id
    later = datetime(2999, 1, 1, tzinfo=UTC)
    await change(
        database,
        "UPDATE batch_job_execution "
        "SET create_time = '2999-01-01 00:00:00', last_updated = '2999-01-01 00:00:00'",
    )
    await store.mark_started(execution_id, step_name="a step", checkpoint=None)
    working = await queries.get(execution_id)
    assert (working.start_time, working.last_updated) == (later, later)
    await store.mark_stopping(execution_id, [])
    assert (await queries.get(execution_id)).last_updated == later
    ended = await end(store, execution_id, JobStatus.COMPLETED)
    assert (ended.end_time, ended.last_updated) == (later, later)


async def test_every_change_of_status_tells_when_it_was(
    store: ExecutionStore, queries: ExecutionQueries, database: Database, instance: JobInstance
) -> None:
    """The row was last updated when its status changed."""
    execution_id = (await start(store, instance)).execution_id
    long_ago = "UPDATE batch_job_execution SET last_updated = create_time"
    for change_status in (
        store.mark_started(execution_id, step_name="a step", checkpoint=None),
        store.mark_stopping(execution_id, []),
        end(store, execution_id, JobStatus.STOPPED),
    ):
        await change(database, long_ago)
        before = utc_now()
        await change_status
        assert before <= (await queries.get(execution_id)).last_updated <= utc_now()


async def test_what_has_ended_is_nobodys(database: Database, store: ExecutionStore) -> None:
    """The end takes the right to write away with the status, from this execution alone."""
    one = await started(database, owner="me")
    await started(database, owner="you", job=1)
    await end(store, one.execution_id, JobStatus.COMPLETED)
    found = await rows(database, "SELECT owner FROM batch_job_execution ORDER BY job_execution_id")
    assert [row.owner for row in found] == ["", "you"]


async def test_a_step_that_has_ended_is_never_rewritten(
    store: ExecutionStore, queries: ExecutionQueries, database: Database
) -> None:
    """The end of an execution is saved in its step too, but not over an end that is there."""
    versions = "SELECT version FROM batch_step_execution ORDER BY step_execution_id"
    one = (await started(database)).execution_id
    assert [row.version for row in await rows(database, versions)] == [0]
    await end(store, one, JobStatus.FAILED)
    assert [row.version for row in await rows(database, versions)] == [1]

    other = (await started(database)).execution_id
    await change(
        database,
        "UPDATE batch_step_execution SET status = 'COMPLETED', exit_message = 'by hand' "
        "WHERE version = 0",
    )
    by_hand = (await queries.get(other)).steps
    assert (await end(store, other, JobStatus.FAILED)).steps == by_hand


async def test_an_execution_that_is_not_there(
    store: ExecutionStore, queries: ExecutionQueries
) -> None:
    """Nothing can be changed or found of it."""
    with pytest.raises(IllegalTransitionError):
        await store.mark_started(99, step_name="a step", checkpoint=None)
    with pytest.raises(IllegalTransitionError):
        await store.mark_stopping(99, [])
    with pytest.raises(JobExecutionNotFoundError):
        await end(store, 99, JobStatus.COMPLETED)
    with pytest.raises(JobExecutionNotFoundError):
        await queries.get(99)
    with pytest.raises(JobExecutionNotFoundError):
        await queries.history(99)

"""The engine that runs jobs as asyncio tasks of this process."""

import asyncio
import uuid
from typing import Any, Final

import stamina
import structlog

from ingest.aio import finish
from ingest.errors import (
    DatabaseUnavailableError,
    EndNotRecordedError,
    ExecutionNotRunningError,
    IllegalTransitionError,
    JobAlreadyRunningError,
    ServiceStoppingError,
)
from ingest.items.job import Job, JobRun
from ingest.jobs.engine import Abandoned, Abandonment, NothingToAbandon, StillStopping
from ingest.jobs.outcome import outcome
from ingest.jobs.registry import JobRegistry, RunningJob
from ingest.model.job import Ask, JobExecution, JobInstance, JobParameters, JobStatus, StopReason
from ingest.storage.database import Database
from ingest.storage.execution_queries import ExecutionQueries
from ingest.storage.executions import ExecutionStore, Started
from ingest.storage.transitions import utc_now
from ingest.storage.writer import ExecutionWriter

#: How long a start waits for the end of work that is over to be recorded.
RECORDING_S: Final = 1.0

_log = structlog.get_logger(__name__)


class LocalEngine:
    """See `JobEngine`. The registry is public for those who look at what runs."""

    def __init__(self, database: Database) -> None:
        self.registry = JobRegistry()
        self._database = database
        self._store = ExecutionStore(database)
        self._queries = ExecutionQueries(database)
        self._closing = False

    async def start(
        self, instance: JobInstance, job: Job, ask: Ask, parameters: JobParameters
    ) -> int:
        """See `JobEngine.start`. A caller that goes away leaves no half start."""
        return await finish(self._start(instance, job, ask, parameters))

    async def abandon(
        self,
        instance: JobInstance,
        ask: Ask,
        *,
        wait_s: float,
        execution_id: int | None = None,
    ) -> Abandonment:
        """See `JobEngine.abandon`."""
        async with self.registry.gate(instance.id):
            running = self.registry.get(instance.id)
        if execution_id is not None and (running is None or running.execution_id != execution_id):
            raise ExecutionNotRunningError(
                instance_id=instance.id,
                asked=execution_id,
                running=None if running is None else running.execution_id,
            )
        if running is None:
            return NothingToAbandon()
        running.stop(StopReason.REQUEST, ask)
        # wait() leaves the recorder alone when this caller is cancelled.
        await asyncio.wait({running.recorder}, timeout=wait_s)
        if not running.recorder.done():
            await running.writer.revoke()
        if not running.recorder.done():
            return StillStopping(running.execution_id, wait_s, _unrecorded(running))
        ended = running.recorder.result()
        return Abandoned(ended) if ended.status is JobStatus.ABANDONED else NothingToAbandon()

    async def drain(self, *, grace_s: float, by: str) -> bool:
        """See `JobEngine.drain`."""
        self._closing = True
        await self.registry.pass_gates()
        left = self.registry.all()
        for running in left:
            running.stop(StopReason.SHUTDOWN, Ask(by, "the service shuts down"))
        if left:
            await asyncio.wait({running.recorder for running in left}, timeout=grace_s)
        left = [running for running in left if not running.recorder.done()]
        for running in left:
            await running.writer.revoke()
            _log.error(
                "job did not wind down", job=running.instance.name, execution=running.execution_id
            )
        return not left

    def unrecorded(self) -> list[str]:
        """See `JobEngine.unrecorded`."""
        return [
            f"the end of execution {one.execution_id} cannot be written: {one.unrecorded}"
            for one in self.registry.all()
            if one.unrecorded is not None
        ]

    async def _start(
        self, instance: JobInstance, job: Job, ask: Ask, parameters: JobParameters
    ) -> int:
        async with self.registry.gate(instance.id):
            if self._closing:
                raise ServiceStoppingError
            running = self.registry.get(instance.id)
            if running is not None and running.work.done() and running.unrecorded is None:
                # Whoever has read the end in the database must be able to start at once.
                await asyncio.wait({running.recorder}, timeout=RECORDING_S)
                running = self.registry.get(instance.id)
            if running is not None:
                raise _already_running(running)
            owner = uuid.uuid4().hex
            started = await self._store.start(
                instance, owner=owner, ask=ask, resumable=job.resumable
            )
            self._launch(instance, job, started, owner, parameters)
        return started.execution_id

    def _launch(
        self,
        instance: JobInstance,
        job: Job,
        started: Started,
        owner: str,
        parameters: JobParameters,
    ) -> None:
        writer = ExecutionWriter(self._database, execution_id=started.execution_id, owner=owner)
        # Tasks copy the context they are made in, so every line of the run carries these.
        with structlog.contextvars.bound_contextvars(
            job=instance.name,
            job_instance_id=instance.id,
            job_execution_id=started.execution_id,
        ):
            work = asyncio.create_task(
                self._work(
                    job, JobRun(writer=writer, checkpoint=started.checkpoint, parameters=parameters)
                ),
                name=f"work of execution {started.execution_id}",
            )
            running = RunningJob(
                instance=instance, execution_id=started.execution_id, writer=writer, work=work
            )
            running.recorder = asyncio.create_task(
                self._record(running), name=f"recorder of execution {started.execution_id}"
            )
        self.registry.add(running)

    async def _work(self, job: Job, run: JobRun) -> str:
        _log.info("job started", resumed=run.checkpoint is not None)
        await self._store.mark_started(
            run.writer.execution_id, step_name=job.step_name, checkpoint=run.checkpoint
        )
        return await job.run(run)

    async def _record(self, running: RunningJob) -> JobExecution:
        """Wait for the work, and write how it ended, for as long as that takes.

        A task of its own that nobody cancels; also the only thing that ends the row of work
        which was cancelled before its first step.
        """
        either: set[asyncio.Future[Any]] = {running.work, running.told}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not running.work.done():
            await self._mark_stopping(running)
            await asyncio.wait({running.work})
        running.told.cancel()
        await running.writer.settle()
        running.work_ended_at = utc_now()
        async for attempt in stamina.retry_context(
            on=Exception, attempts=None, timeout=None, wait_initial=0.05, wait_max=2.0
        ):
            with attempt:
                execution = await self._record_end(running)
        self.registry.remove(running)
        _log.info("job ended", status=execution.status, message=execution.exit_summary)
        return execution

    async def _mark_stopping(self, running: RunningJob) -> None:
        asks = list(running.asks)
        try:
            await self._store.mark_stopping(running.execution_id, asks)
        except (DatabaseUnavailableError, IllegalTransitionError) as error:
            # The end will say it all; this is for those who look meanwhile.
            _log.warning("stop not recorded yet", reason=str(error))
        else:
            running.asks_recorded = len(asks)

    async def _record_end(self, running: RunningJob) -> JobExecution:
        try:
            before = await self._queries.get(running.execution_id)
            end = outcome(running.work, running.stop_reason, running.asks, before.progress)
            await self._store.end(
                running.execution_id,
                end.status,
                exit_message=end.exit_message,
                work_ended_at=running.work_ended_at or utc_now(),
                asks=running.asks[running.asks_recorded :],
            )
        except IllegalTransitionError as error:
            # Somebody ended the row by hand; what is on record stands.
            _log.warning("end was on record already", reason=str(error))
        except Exception as error:
            running.unrecorded = str(error)
            raise
        return await self._queries.get(running.execution_id)


def _unrecorded(running: RunningJob) -> str | None:
    """Say why the end is not on record, if the work is over; None while it is not."""
    if not running.work.done():
        return None
    return running.unrecorded or "the database has not answered yet"


def _already_running(running: RunningJob) -> JobAlreadyRunningError | EndNotRecordedError:
    cause = _unrecorded(running)
    if cause is not None:
        return EndNotRecordedError(
            instance_id=running.instance.id, execution_id=running.execution_id, cause=cause
        )
    return JobAlreadyRunningError(
        instance_id=running.instance.id,
        instance_version=running.instance.version,
        job_name=running.instance.name,
        execution_id=running.execution_id,
    )

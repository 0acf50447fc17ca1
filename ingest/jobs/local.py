"""The engine that runs jobs as asyncio tasks of this process."""

import asyncio
import uuid
from collections.abc import Coroutine
from functools import partial
from typing import Any, Final

import stamina
import structlog

from ingest.aio import finish
from ingest.errors import (
    DatabaseUnavailableError,
    EndNotRecordedError,
    ExecutionNotRunningError,
    JobAlreadyRunningError,
    ServiceStoppingError,
)
from ingest.items.job import Job, JobRun
from ingest.jobs.engine import Abandoned, Abandonment, NothingToAbandon, StillStopping
from ingest.jobs.recorder import Recorder
from ingest.jobs.registry import JobRegistry, RunningJob
from ingest.jobs.stack import place_of, stack_of
from ingest.model.job import Ask, JobExecution, JobInstance, JobParameters, JobStatus, StopReason
from ingest.storage.database import Database
from ingest.storage.executions import ExecutionStore, Started
from ingest.storage.patience import Patience, PatientDatabase
from ingest.storage.writer import ExecutionWriter

#: How long a start waits for the end of work that is over to be recorded.
RECORDING_S: Final = 1.0

_SERVICE: Final = "service"

_log = structlog.get_logger(__name__)


class LocalEngine:
    """See `JobEngine`. The registry is public for those who look at what runs.

    Args:
        database: Where executions are on record. This process is its only owner.
        retry_for_s: How long a job goes on trying what the database refuses.
    """

    def __init__(self, database: Database, *, retry_for_s: float) -> None:
        self.registry = JobRegistry()
        self._database = database
        self._retry_for_s = retry_for_s
        self._store = ExecutionStore(database)
        self._recorder = Recorder(database)
        self._closing = False
        self._settling: set[asyncio.Task[None]] = set()

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
            await running.expire()
        if not running.recorder.done():
            return _still_stopping(running, wait_s)
        ended = running.recorder.result()
        if ended is not None and ended.status is JobStatus.ABANDONED:
            return Abandoned(ended)
        return NothingToAbandon()

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
            await running.expire()
            _log_stuck(running, grace_s)
        await self._stop_settling()
        return not left

    def running(self) -> list[str]:
        """Name the running executions, for those who look for what keeps the process busy."""
        return [
            f"{one.instance.name} (execution {one.execution_id})" for one in self.registry.all()
        ]

    def unrecorded(self) -> list[str]:
        """See `JobEngine.unrecorded`."""
        return [
            f"the end of execution {one.execution_id} cannot be written: {one.unrecorded}"
            for one in self.registry.all()
            if one.unrecorded is not None
        ]

    def stack(self, execution_id: int) -> list[str] | None:
        """See `JobEngine.stack`."""
        for one in self.registry.all():
            if one.execution_id == execution_id:
                return stack_of(one.recorder if one.work.done() else one.work)
        return None

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
            started = await self._put_on_record(instance, job, ask, owner, parameters)
            self._launch(instance, job, started, owner, parameters)
        return started.execution_id

    async def _put_on_record(
        self, instance: JobInstance, job: Job, ask: Ask, owner: str, parameters: JobParameters
    ) -> Started:
        start = partial(
            self._store.start,
            instance,
            owner=owner,
            ask=ask,
            resumable=job.resumable,
            parameters=parameters.named,
        )
        try:
            try:
                return await start()
            except JobAlreadyRunningError as error:
                # Within the gate, and with nothing in the registry, that row is nobody's.
                _log.warning("orphan settled", job=instance.name, execution=error.execution_id)
                await self._store.settle_orphan(instance.id, actor=_SERVICE)
                return await start()
        except DatabaseUnavailableError:
            # A commit that was answered with an error may have left a row that nobody runs.
            self._settle_later(self._settle_orphan(instance))
            raise

    def _settle_later(self, settling: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(settling, name="settler of orphans")
        self._settling.add(task)
        task.add_done_callback(self._settling.discard)

    async def _settle_orphan(self, instance: JobInstance) -> None:
        async for attempt in stamina.retry_context(
            on=DatabaseUnavailableError,
            attempts=None,
            timeout=None,
            wait_initial=0.05,
            wait_max=1.0,
            wait_jitter=0.05,
        ):
            with attempt:
                async with self.registry.gate(instance.id):
                    # Of an attempt that failed while it was cancelled only the error is left.
                    if not self._closing and self.registry.get(instance.id) is None:
                        await self._store.settle_orphan(instance.id, actor=_SERVICE)

    async def _stop_settling(self) -> None:
        """Leave what is not settled to the next owner of the database."""
        for task in self._settling:
            task.cancel()
        if self._settling:
            await asyncio.wait(self._settling)

    def _launch(
        self,
        instance: JobInstance,
        job: Job,
        started: Started,
        owner: str,
        parameters: JobParameters,
    ) -> None:
        patience = Patience(self._retry_for_s)
        writer = ExecutionWriter(
            self._database, execution_id=started.execution_id, owner=owner, patience=patience
        )
        run = JobRun(
            writer=writer,
            database=PatientDatabase(self._database, patience),
            checkpoint=started.checkpoint,
            parameters=parameters,
        )
        # Tasks copy the context they are made in, so every line of the run carries these.
        with structlog.contextvars.bound_contextvars(
            job=instance.name,
            job_instance_id=instance.id,
            job_execution_id=started.execution_id,
        ):
            running = RunningJob(
                instance=instance,
                execution_id=started.execution_id,
                writer=writer,
                patience=patience,
                work=asyncio.create_task(
                    self._work(job, run), name=f"work of execution {started.execution_id}"
                ),
            )
            running.recorder = asyncio.create_task(
                self._record(running), name=f"recorder of execution {started.execution_id}"
            )
        self.registry.add(running)

    async def _record(self, running: RunningJob) -> JobExecution | None:
        execution = await self._recorder.record(running)
        self.registry.remove(running)
        return execution

    async def _work(self, job: Job, run: JobRun) -> str:
        _log.info("job started", resumed=run.checkpoint is not None)
        await ExecutionStore(run.database).mark_started(
            run.writer.execution_id, step_name=job.step_name, checkpoint=run.checkpoint
        )
        return await job.run(run)


def _still_stopping(running: RunningJob, waited_s: float) -> StillStopping:
    _log_stuck(running, waited_s)
    return StillStopping(
        running.execution_id,
        waited_s,
        unrecorded=_unrecorded(running),
        place=place_of(running.work),
    )


def _log_stuck(running: RunningJob, waited_s: float) -> None:
    _log.warning(
        "job has not wound down",
        job=running.instance.name,
        execution=running.execution_id,
        waited_s=waited_s,
        unrecorded=_unrecorded(running),
        at=place_of(running.work),
    )


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

"""The engine that runs jobs as asyncio tasks of this process."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

import structlog

from ingest.aio import finish
from ingest.errors import (
    DatabaseInUseError,
    DatabaseUnavailableError,
    ExecutionNotRunningError,
    JobAlreadyRunningError,
    ServiceStoppingError,
    StartPendingError,
)
from ingest.items.job import Job, JobRun
from ingest.jobs.engine import Abandoned, Abandonment, NothingToAbandon
from ingest.jobs.observer import JobObserver, Nobody
from ingest.jobs.orphans import SERVICE, OrphanSettler
from ingest.jobs.recorder import Recorder
from ingest.jobs.refusals import already_running, log_stuck, still_stopping
from ingest.jobs.registry import JobRegistry, RunningJob
from ingest.jobs.stack import stack_of
from ingest.model.job import Ask, JobExecution, JobInstance, JobParameters, JobStatus, StopReason
from ingest.model.traffic import Meter, metered
from ingest.storage.database import Database
from ingest.storage.executions import ExecutionStore, Started
from ingest.storage.patience import Patience, PatientDatabase
from ingest.storage.writer import ExecutionWriter

#: How long a start waits for the end of work that is over to be recorded.
RECORDING_S: Final = 1.0

#: An abandon waits so long at least for a start that is under way, whatever its own wait: that
#: takes milliseconds, unless the database is locked.
STARTING_S: Final = 1.0

#: How long a start waits for another one that waits for the database.
START_S: Final = 5.0

_LOST: Final = (
    "Another process has taken the database, for this one's lock file was removed: nothing is "
    "started here any more. Stop one of the two services, and do not remove lock files"
)

_log = structlog.get_logger(__name__)


class LocalEngine:
    """See `JobEngine`. The registry is public for those who look at what runs.

    Args:
        database: Where executions are on record. This process is its only owner.
        retry_for_s: How long a job goes on trying what the database refuses.
        is_owner: Says whether it still is: without that nothing is started or settled.
        observer: Is told how executions begin, get on and end.
    """

    def __init__(
        self,
        database: Database,
        *,
        retry_for_s: float,
        is_owner: Callable[[], bool] = lambda: True,
        observer: JobObserver | None = None,
    ) -> None:
        self.registry = JobRegistry()
        self._database = database
        self._retry_for_s = retry_for_s
        self._is_owner = is_owner
        self._observer = observer or Nobody()
        self._store = ExecutionStore(database)
        self._recorder = Recorder(database)
        self._closing = False
        self._orphans = OrphanSettler(self._store, self.registry, is_owner)

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
        loop = asyncio.get_running_loop()
        until = loop.time() + wait_s
        async with self._gate(instance, within_s=max(wait_s, STARTING_S)):
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
        await asyncio.wait({running.recorder}, timeout=max(0.0, until - loop.time()))
        if not running.recorder.done():
            await running.expire()
        if not running.recorder.done():
            return still_stopping(running, wait_s)
        ended = running.recorder.result()
        if ended is not None and ended.status is JobStatus.ABANDONED:
            return Abandoned(ended)
        return NothingToAbandon()

    async def drain(self, *, grace_s: float, by: str) -> bool:
        """See `JobEngine.drain`."""
        self._closing = True
        self._orphans.close()
        loop = asyncio.get_running_loop()
        until = loop.time() + grace_s
        ask = Ask(by, "the service shuts down")
        told = self.registry.all()
        for running in told:
            running.stop(StopReason.SHUTDOWN, ask)
        # Starts that were under way may bring one more; those behind them are refused.
        passing = asyncio.create_task(self.registry.pass_gates())
        await asyncio.wait({passing}, timeout=grace_s)
        left = self.registry.all()
        for running in left:
            if running not in told:
                running.stop(StopReason.SHUTDOWN, ask)
        if left:
            timeout_s = max(0.0, until - loop.time())
            await asyncio.wait({running.recorder for running in left}, timeout=timeout_s)
        left = [running for running in {*told, *left} if not running.is_recorded]
        for running in left:
            await running.expire()
            log_stuck(running, grace_s)
        await self._orphans.stop()
        has_passed = passing.done()
        passing.cancel()
        return has_passed and not left

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
        if not self._is_owner():
            raise DatabaseInUseError(_LOST)
        async with self._gate(instance, within_s=START_S):
            if self._closing:
                raise ServiceStoppingError
            running = self.registry.get(instance.id)
            if running is not None and running.work.done() and running.unrecorded is None:
                # Whoever has read the end in the database must be able to start at once.
                await asyncio.wait({running.recorder}, timeout=RECORDING_S)
                running = self.registry.get(instance.id)
            if running is not None:
                raise already_running(running)
            owner = uuid.uuid4().hex
            started = await self._put_on_record(instance, job, ask, owner, parameters)
            self._launch(instance, job, started, owner, parameters)
        return started.execution_id

    @asynccontextmanager
    async def _gate(self, instance: JobInstance, *, within_s: float) -> AsyncIterator[None]:
        """Hold the instance's gate.

        Raises:
            StartPendingError: It was not free in time: a start in it waits for the database.
        """
        gate = self.registry.gate(instance.id)
        try:
            async with asyncio.timeout(within_s):
                await gate.acquire()
        except TimeoutError:
            raise StartPendingError(
                instance_id=instance.id, job_name=instance.name, waited_s=within_s
            ) from None
        try:
            yield
        finally:
            gate.release()

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
                await self._store.settle_orphan(instance.id, actor=SERVICE)
                return await start()
        except DatabaseUnavailableError:
            # A commit that was answered with an error may have left a row that nobody runs.
            self._orphans.settle_later(instance)
            raise

    def _launch(
        self,
        instance: JobInstance,
        job: Job,
        started: Started,
        owner: str,
        parameters: JobParameters,
    ) -> None:
        patience, meter = Patience(self._retry_for_s), Meter()
        writer = ExecutionWriter(
            self._database,
            execution_id=started.execution_id,
            owner=owner,
            patience=patience,
            meter=meter,
            on_written=partial(self._observer.wrote, instance.name),
        )
        run = JobRun(
            writer=writer,
            database=PatientDatabase(self._database, patience),
            checkpoint=started.checkpoint,
            parameters=parameters,
        )
        # Tasks copy the context they are made in, so every line of the run carries these, and
        # every request to the bank is counted for it.
        with (
            metered(meter),
            structlog.contextvars.bound_contextvars(
                job=instance.name,
                job_instance_id=instance.id,
                job_execution_id=started.execution_id,
            ),
        ):
            running = RunningJob(
                instance=instance,
                execution_id=started.execution_id,
                writer=writer,
                patience=patience,
                meter=meter,
                work=asyncio.create_task(
                    self._work(job, run), name=f"work of execution {started.execution_id}"
                ),
            )
            running.recorder = asyncio.create_task(
                self._record(running), name=f"recorder of execution {started.execution_id}"
            )
        self.registry.add(running)
        self._observer.began(instance.name)

    async def _record(self, running: RunningJob) -> JobExecution | None:
        execution = None
        try:
            execution = await self._recorder.record(running)
        finally:
            # Whatever became of it: a job that is not here any more can be started again.
            self.registry.remove(running)
            self._observer.ended(running.instance.name, execution)
        return execution

    async def _work(self, job: Job, run: JobRun) -> str:
        _log.info("job started", resumed=run.checkpoint is not None)
        await ExecutionStore(run.database).mark_started(
            run.writer.execution_id, step_name=job.step_name, checkpoint=run.checkpoint
        )
        return await job.run(run)

"""The bookkeeper of a running job: waits for its work, and writes how that ended."""

import asyncio
from typing import Any, Final

import stamina
import structlog

from ingest.errors import IllegalTransitionError, JobExecutionNotFoundError
from ingest.jobs.outcome import outcome
from ingest.jobs.registry import RunningJob
from ingest.model.job import JobExecution
from ingest.storage.database import Database
from ingest.storage.execution_queries import ExecutionQueries
from ingest.storage.executions import ExecutionStore
from ingest.storage.transitions import utc_now

#: Work that winds down faster than this is ABANDONED without having been STOPPING on record.
BRIEF_S: Final = 0.1

_log = structlog.get_logger(__name__)


class Recorder:
    """Records the ends of executions, whatever happens to the work or to who asked for a stop."""

    def __init__(self, database: Database) -> None:
        self._store = ExecutionStore(database)
        self._queries = ExecutionQueries(database)

    async def record(self, running: RunningJob) -> JobExecution | None:
        """Wait for the work, and write how it ended, for as long as that takes.

        To be run as a task of its own that nobody cancels: it is also the only thing that ends
        the row of work which was cancelled before its first step.

        Returns:
            The execution as it is on record; None where its row is gone.
        """
        await _first_of(running.work, running.told)
        await _first_of(running.work, running.overdue, timeout_s=BRIEF_S)
        if not running.work.done():
            await self._mark_stopping(running)
            await asyncio.wait({running.work})
        running.told.cancel()
        running.overdue.cancel()
        await running.writer.settle()
        running.work_ended_at = utc_now()
        async for attempt in stamina.retry_context(
            on=Exception,
            attempts=None,
            timeout=None,
            wait_initial=0.05,
            wait_max=1.0,
            wait_jitter=0.05,
        ):
            with attempt:
                execution = await self._record_end(running)
        if execution is not None:
            _log.info("job ended", status=execution.status, message=execution.exit_summary)
        return execution

    async def _mark_stopping(self, running: RunningJob) -> None:
        try:
            await self._store.mark_stopping(running.execution_id, running.asks)
        except Exception as error:  # noqa: BLE001 - whatever it is, the end must be recorded
            # The end will say it all; this is for those who look meanwhile.
            _log.warning("stop not recorded yet", reason=str(error))

    async def _record_end(self, running: RunningJob) -> JobExecution | None:
        try:
            return await self._store.end(
                running.execution_id,
                lambda progress: outcome(running.work, running.stop_reason, running.asks, progress),
                work_ended_at=running.work_ended_at or utc_now(),
                asks=running.asks,
                traffic=running.meter.traffic,
            )
        except IllegalTransitionError as error:
            # It was written, though the answer was an error; or somebody did it by hand.
            _log.warning("end was on record already", reason=str(error))
            return await self._queries.get(running.execution_id)
        except JobExecutionNotFoundError as error:
            _log.error("execution is gone from the database", reason=str(error))
            return None
        except Exception as error:
            running.unrecorded = str(error)
            raise


async def _first_of(*futures: "asyncio.Future[Any]", timeout_s: float | None = None) -> None:
    await asyncio.wait(futures, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)

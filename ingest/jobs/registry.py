"""The jobs that run in this process, keyed by job instance id."""

import asyncio
from collections import defaultdict
from datetime import datetime

from attrs import define, field

from ingest.model.job import Ask, JobExecution, JobInstance, StopAsked, StopReason
from ingest.model.traffic import Meter
from ingest.storage.patience import Patience
from ingest.storage.transitions import utc_now
from ingest.storage.writer import ExecutionWriter


def _future() -> "asyncio.Future[None]":
    return asyncio.get_running_loop().create_future()


@define(eq=False, kw_only=True)
class RunningJob:
    """Work under way, and the task that will record how it ends.

    The two are apart so that one can cancel the work and never its bookkeeper.
    """

    instance: JobInstance
    execution_id: int
    writer: ExecutionWriter
    patience: Patience
    meter: Meter
    work: "asyncio.Task[str]"
    #: Its result is the execution as its end was recorded; None where its row is gone.
    recorder: "asyncio.Task[JobExecution | None]" = field(init=False)
    #: Done as soon as the work has been told to stop.
    told: "asyncio.Future[None]" = field(factory=_future)
    #: Done as soon as somebody has been told that it has not wound down.
    overdue: "asyncio.Future[None]" = field(factory=_future)
    stop_reason: StopReason | None = None
    asks: list[StopAsked] = field(factory=list)
    work_ended_at: datetime | None = None
    #: Why the end could not be written when it was last tried.
    unrecorded: str | None = None

    @property
    def is_recorded(self) -> bool:
        """Whether its end is on record."""
        recorder = self.recorder
        return recorder.done() and not recorder.cancelled() and recorder.exception() is None

    @property
    def unrecorded_because(self) -> str | None:
        """Why its end is not on record, if the work is over; None while it is not."""
        if not self.work.done():
            return None
        return self.unrecorded or "the database has not answered yet"

    def stop(self, reason: StopReason, ask: Ask) -> None:
        """Tell the work to stop, unless it has ended by itself; does not wait.

        A later reason may raise an earlier one, also while the end is being recorded, but the
        work is cancelled once only: a second time would cut into its wind-down.
        """
        if self.stop_reason is None:
            if self.work.done():
                return
            self.work.cancel()
            self.patience.end()
            self.told.set_result(None)
            self.stop_reason = reason
        self.stop_reason = max(self.stop_reason, reason)
        self.asks.append(StopAsked(utc_now(), ask, reason))

    async def expire(self) -> None:
        """Take the right to write away: the grace is over. See `ExecutionWriter.revoke`."""
        if not self.overdue.done():
            self.overdue.set_result(None)
        await self.writer.revoke()


class JobRegistry:
    """Holds the running jobs of this process until their end is on record."""

    def __init__(self) -> None:
        self._running: dict[int, RunningJob] = {}
        self._gates: defaultdict[int, asyncio.Lock] = defaultdict(asyncio.Lock)

    def gate(self, instance_id: int) -> asyncio.Lock:
        """Return the lock to hold from putting a start on record until it is in the registry.

        Whoever holds it sees no job that is on record and not yet here.
        """
        return self._gates[instance_id]

    async def pass_gates(self) -> None:
        """Wait until every start that is under way has put its job here, or has failed."""
        for gate in list(self._gates.values()):
            async with gate:
                pass

    def get(self, instance_id: int) -> RunningJob | None:
        """Return the running job of an instance."""
        return self._running.get(instance_id)

    def all(self) -> list[RunningJob]:
        """Return every running job."""
        return list(self._running.values())

    def add(self, job: RunningJob) -> None:
        """Take in a job that has just been launched."""
        self._running[job.instance.id] = job

    def remove(self, job: RunningJob) -> None:
        """Let go of a job whose end is on record."""
        self._running.pop(job.instance.id, None)

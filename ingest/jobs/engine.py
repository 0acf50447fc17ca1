"""The seam between what is asked of jobs and the machinery that runs them."""

from typing import Protocol

from attrs import frozen

from ingest.items.job import Job
from ingest.model.job import Ask, JobExecution, JobInstance, JobParameters


@frozen
class Abandoned:
    """An abandon that was carried out: the execution is on record, and nothing of it is left."""

    execution: JobExecution


@frozen
class NothingToAbandon:
    """Nothing ran, or it came to its end by itself before the stop reached it."""


@frozen
class StillStopping:
    """The work has not wound down, or its end could not be written, within the wait.

    The execution cannot write any more, and cannot be started again before it has ended.
    """

    execution_id: int
    waited_s: float
    #: Why its end could not be written, where that is what is missing.
    unrecorded: str | None
    #: Where in the code its work stands, while it has not wound down.
    place: str | None


#: What became of an abandon.
Abandonment = Abandoned | NothingToAbandon | StillStopping


class JobEngine(Protocol):
    """Runs job executions. One suite of contract tests holds for every engine."""

    async def start(
        self, instance: JobInstance, job: Job, ask: Ask, parameters: JobParameters
    ) -> int:
        """Put an execution on record, launch it, and return its id.

        Raises:
            JobAlreadyRunningError: One has not truly ended; also while it winds down.
            EndNotRecordedError: Its work has ended, but that could not be written yet.
            ServiceStoppingError: `drain` has begun.
            DatabaseUnavailableError: The start could not be put on record.
        """

    async def abandon(
        self,
        instance: JobInstance,
        ask: Ask,
        *,
        wait_s: float,
        execution_id: int | None = None,
    ) -> Abandonment:
        """Stop the running execution of an instance; return once its end is on record.

        Several callers share one wind-down, and one that goes away changes nothing. After
        *wait_s* the fence closes: whatever still goes on cannot write.

        Raises:
            ExecutionNotRunningError: *execution_id* is given and is not the one that runs.
        """

    async def drain(self, *, grace_s: float, by: str) -> bool:
        """Start nothing any more, stop all that runs, and wait for it.

        Returns:
            Whether everything had ended, and was on record, within the grace.
        """

    def stack(self, execution_id: int) -> list[str] | None:
        """Return where in the code an execution's task stands, outermost first.

        None where no such execution runs here.
        """

    def unrecorded(self) -> list[str]:
        """Say which executions are over without that being on record yet, and why."""

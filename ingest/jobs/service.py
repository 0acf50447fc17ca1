"""The use cases: start a job, abandon it, see what runs."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from attrs import define, frozen

from ingest.errors import IngestError
from ingest.jobs.catalog import JobCatalog
from ingest.jobs.engine import Abandoned, Abandonment, JobEngine, NothingToAbandon
from ingest.jobs.observer import JobObserver, Nobody
from ingest.model.job import (
    Ask,
    ExecutionEvent,
    JobExecution,
    JobInstance,
    JobParameters,
    JobStatus,
)
from ingest.model.plan import PlannedChange
from ingest.storage.deletions import WithheldBy
from ingest.storage.execution_queries import ExecutionQueries
from ingest.storage.plans import PlannedItem

_NO_PARAMETERS: Final = JobParameters()

#: How a start is answered that is not refused; a refusal is named by its error's code.
STARTED: Final = "started"

#: How an abandon is answered: carried out; nothing ran; its work goes on after the whole grace, or
#: after the shorter wait that its caller wanted; its work has ended, and that could not be written.
#: A refusal is named by its error's code.
ABANDONED: Final = "abandoned"
NOTHING: Final = "nothing"
STOPPING: Final = "stopping"
IMPATIENT: Final = "impatient"
UNRECORDED: Final = "unrecorded"

#: What becomes of an answer to somebody who went away, or of a fault of ours.
NO_ANSWER: Final = "no_answer"


@frozen(kw_only=True)
class JobState:
    """A job instance, what runs of it, and what ran last."""

    instance: JobInstance
    running: JobExecution | None
    last_ended: JobExecution | None


class JobService:
    """What the API asks of jobs, whichever engine runs them.

    Args:
        catalog: The jobs there are.
        engine: What runs them.
        queries: What is on record of them.
        abandon_grace_s: The longest that an abandon waits.
        observer: Is told of every start and abandon, how it was answered and how long that took.
    """

    def __init__(
        self,
        catalog: JobCatalog,
        engine: JobEngine,
        queries: ExecutionQueries,
        *,
        abandon_grace_s: float,
        observer: JobObserver | None = None,
    ) -> None:
        self._catalog = catalog
        self._engine = engine
        self._queries = queries
        self._abandon_grace_s = abandon_grace_s
        self._observer = observer or Nobody()

    @property
    def abandon_grace_s(self) -> float:
        """The longest that an abandon waits."""
        return self._abandon_grace_s

    async def start(
        self, job_name: str, ask: Ask, parameters: JobParameters = _NO_PARAMETERS
    ) -> tuple[JobInstance, int]:
        """Start a job; return its instance and the id of the new execution.

        Raises:
            See `JobEngine.start`.
        """
        instance = self._catalog.named(job_name)
        with _answered(instance.name, self._observer.start_answered) as outcome:
            execution_id = await self._engine.start(
                instance, self._catalog.job(instance), ask, parameters
            )
            outcome.name = STARTED
        return instance, execution_id

    async def abandon(
        self,
        instance_id: int,
        ask: Ask,
        *,
        wait_s: float | None = None,
        execution_id: int | None = None,
    ) -> tuple[JobInstance, Abandonment]:
        """Stop a running job, waiting *wait_s* for it but never longer than the grace.

        Raises:
            JobInstanceNotFoundError: There is no such instance.
            ExecutionNotRunningError: See `JobEngine.abandon`.
        """
        instance = self._catalog.instance(instance_id)
        longest = self._abandon_grace_s
        waits = longest if wait_s is None else min(wait_s, longest)
        with _answered(instance.name, self._observer.abandon_answered) as outcome:
            became = await self._engine.abandon(
                instance, ask, wait_s=waits, execution_id=execution_id
            )
            outcome.name = _abandon_outcome(became, is_whole=waits == longest)
        return instance, became

    def stack(self, execution_id: int) -> list[str] | None:
        """See `JobEngine.stack`."""
        return self._engine.stack(execution_id)

    def unrecorded(self) -> list[str]:
        """See `JobEngine.unrecorded`."""
        return self._engine.unrecorded()

    async def withheld_deletions(self) -> WithheldBy | None:
        """Return the deletions that a synchronization has withheld and nobody has settled."""
        return await self._queries.withheld_deletions()

    async def states(self) -> Sequence[JobState]:
        """Return every job with what runs of it."""
        states = []
        for instance in self._catalog.instances.values():
            state = await self._queries.state(instance.id)
            states.append(
                JobState(instance=instance, running=state.running, last_ended=state.last_ended)
            )
        return states

    async def execution(self, execution_id: int) -> JobExecution:
        """Return one execution.

        Raises:
            JobExecutionNotFoundError: There is none with this id.
        """
        return await self._queries.get(execution_id)

    async def executions(
        self,
        *,
        limit: int,
        before: int | None = None,
        job_name: str | None = None,
        status: JobStatus | None = None,
    ) -> list[JobExecution]:
        """Return a page of executions, newest first.

        Raises:
            InvalidValueError: There is no job of that name.
        """
        if job_name is not None:
            self._catalog.named(job_name)
        return await self._queries.page(
            limit=limit, before=before, job_name=job_name, status=status
        )

    async def planned_changes(
        self, execution_id: int, *, limit: int, after: int | None, change: PlannedChange | None
    ) -> list[PlannedItem]:
        """Return a page of what a dry run has planned, by ascending item id.

        Raises:
            JobExecutionNotFoundError: There is none with this id.
            NotADryRunError: It is one that writes.
        """
        return await self._queries.planned_changes(
            execution_id, limit=limit, after=after, change=change
        )

    async def history(self, execution_id: int) -> list[ExecutionEvent]:
        """Return an execution's events, oldest first.

        Raises:
            JobExecutionNotFoundError: There is none with this id.
        """
        return await self._queries.history(execution_id)


@define
class _Outcome:
    name: str = NO_ANSWER


@contextmanager
def _answered(job_name: str, tell: Callable[[str, str, float], None]) -> Iterator[_Outcome]:
    """Tell how something was answered, and after how long, whatever that was."""
    outcome, began = _Outcome(), time.perf_counter()
    try:
        yield outcome
    except IngestError as error:
        outcome.name = error.code
        raise
    finally:
        tell(job_name, outcome.name, time.perf_counter() - began)


def _abandon_outcome(became: Abandonment, *, is_whole: bool) -> str:
    if isinstance(became, Abandoned):
        return ABANDONED
    if isinstance(became, NothingToAbandon):
        return NOTHING
    if became.unrecorded is not None:
        return UNRECORDED
    return STOPPING if is_whole else IMPATIENT

"""Looking at job executions: one, a page of them, their history."""

from collections.abc import Iterable
from typing import Any

from attrs import evolve, frozen
from sqlalchemy import Connection, Select, func, select

from ingest.errors import JobExecutionNotFoundError, NotADryRunError
from ingest.model.job import (
    ENDED,
    RUNNING,
    Counts,
    EventName,
    ExecutionEvent,
    ExitCode,
    JobExecution,
    JobStatus,
    Progress,
    Receipt,
    StepExecution,
    StopReason,
)
from ingest.model.plan import PlannedChange
from ingest.model.traffic import Traffic
from ingest.storage.database import AnyRow, Database
from ingest.storage.deletions import WithheldBy, unsettled_deletions
from ingest.storage.parameters import load_parameters
from ingest.storage.plans import PlannedItem, planned_counts, planned_page
from ingest.storage.tables import (
    job_execution,
    job_execution_event,
    job_execution_progress,
    job_instance,
    step_execution,
)
from ingest.storage.transitions import traffic_values

_TRAFFIC = tuple(traffic_values(Traffic()))
_COUNTS = ("read", "created", "updated", "unchanged", "deleted", "failed")


@frozen(kw_only=True)
class InstanceState:
    """What runs of a job instance, and what ran last."""

    running: JobExecution | None
    last_ended: JobExecution | None


class ExecutionQueries:
    """Reads the rows of job executions."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, execution_id: int) -> JobExecution:
        """Return one execution.

        Raises:
            JobExecutionNotFoundError: There is none with this id.
        """
        return await self._database.read(
            lambda connection: load_execution(connection, execution_id)
        )

    async def page(
        self,
        *,
        limit: int,
        before: int | None = None,
        job_name: str | None = None,
        status: JobStatus | None = None,
    ) -> list[JobExecution]:
        """Return at most *limit* executions older than *before*, newest first."""
        query = _executions().order_by(job_execution.c.job_execution_id.desc()).limit(limit)
        if before is not None:
            query = query.where(job_execution.c.job_execution_id < before)
        if job_name is not None:
            query = query.where(job_instance.c.job_name == job_name)
        if status is not None:
            query = query.where(job_execution.c.status == status)
        return await self._database.read(lambda connection: _load(connection, query))

    async def state(self, instance_id: int) -> InstanceState:
        """Return the running execution of an instance, and the last one that ended."""

        def newest(connection: Connection, statuses: Iterable[JobStatus]) -> JobExecution | None:
            query = (
                _executions()
                .where(
                    job_execution.c.job_instance_id == instance_id,
                    job_execution.c.status.in_(statuses),
                )
                .order_by(job_execution.c.job_execution_id.desc())
                .limit(1)
            )
            return next(iter(_load(connection, query)), None)

        return await self._database.read(
            lambda connection: InstanceState(
                running=newest(connection, RUNNING), last_ended=newest(connection, ENDED)
            )
        )

    async def planned_changes(
        self, execution_id: int, *, limit: int, after: int | None, change: PlannedChange | None
    ) -> list[PlannedItem]:
        """Return a page of what a dry run has planned, by ascending item id.

        Raises:
            JobExecutionNotFoundError: There is no such execution.
            NotADryRunError: It is one that writes.
        """
        execution = await self.get(execution_id)
        if execution.planned is None:
            raise NotADryRunError(execution_id)
        return await self._database.read(
            lambda c: planned_page(c, execution_id, limit=limit, after=after, change=change)
        )

    async def withheld_deletions(self) -> WithheldBy | None:
        """Return the deletions that a synchronization has withheld and nobody has settled."""
        return await self._database.read(unsettled_deletions)

    async def history(self, execution_id: int) -> list[ExecutionEvent]:
        """Return an execution's events in the order in which they were written.

        Raises:
            JobExecutionNotFoundError: There is no such execution.
        """
        await self.get(execution_id)
        rows = await self._database.read(lambda c: _events(c, [execution_id]))
        return [
            ExecutionEvent(
                at=row.at, event=EventName(row.event), actor=row.actor, detail=row.detail
            )
            for row in rows
        ]


def load_execution(connection: Connection, execution_id: int) -> JobExecution:
    """Return one execution, within a transaction of the caller's.

    Raises:
        JobExecutionNotFoundError: There is none with this id.
    """
    query = _executions().where(job_execution.c.job_execution_id == execution_id)
    found = _load(connection, query)
    if not found:
        raise JobExecutionNotFoundError(execution_id)
    return found[0]


def _executions() -> Select[Any]:
    progress = job_execution_progress.c
    return (
        select(
            job_execution,
            job_instance.c.job_name,
            progress.total,
            func.coalesce(progress.processed, 0).label("processed"),
            *(func.coalesce(progress[name], 0).label(name) for name in (*_COUNTS, *_TRAFFIC)),
        )
        .join(job_instance)
        .outerjoin(job_execution_progress)
    )


def _load(connection: Connection, query: Select[Any]) -> list[JobExecution]:
    rows = connection.execute(query).all()
    if not rows:
        return []
    ids = [row.job_execution_id for row in rows]
    steps: dict[int, list[StepExecution]] = {}
    for step in connection.execute(
        select(step_execution)
        .where(step_execution.c.job_execution_id.in_(ids))
        .order_by(step_execution.c.step_execution_id)
    ):
        steps.setdefault(step.job_execution_id, []).append(_step(step))
    parameters = load_parameters(connection, ids)
    dry_runs = [one for one in ids if "dry-run" in parameters[one]]
    planned = planned_counts(connection, dry_runs) if dry_runs else {}
    events: dict[int, list[AnyRow]] = {}
    for event in _events(connection, ids):
        events.setdefault(event.job_execution_id, []).append(event)
    return [
        evolve(
            _execution(
                row, steps.get(row.job_execution_id, []), events.get(row.job_execution_id, [])
            ),
            parameters=parameters[row.job_execution_id],
            planned=planned.get(row.job_execution_id),
        )
        for row in rows
    ]


def _events(connection: Connection, ids: list[int]) -> list[AnyRow]:
    query = (
        select(job_execution_event)
        .where(job_execution_event.c.job_execution_id.in_(ids))
        .order_by(job_execution_event.c.event_id)
    )
    return list(connection.execute(query))


def _execution(row: AnyRow, steps: list[StepExecution], events: list[AnyRow]) -> JobExecution:
    return JobExecution(
        id=row.job_execution_id,
        version=row.version,
        instance_id=row.job_instance_id,
        job_name=row.job_name,
        status=JobStatus(row.status),
        exit_code=ExitCode(row.exit_code),
        exit_message=row.exit_message,
        create_time=row.create_time,
        start_time=row.start_time,
        end_time=row.end_time,
        last_updated=row.last_updated,
        counts=Counts(**{name: getattr(row, name) for name in _COUNTS}),
        progress=Progress(total=row.total, processed=row.processed),
        traffic=Traffic(
            requests=row.requests,
            retried=row.requests_retried,
            waited_s=row.requests_waited_ms / 1000,
        ),
        steps=tuple(steps),
        receipt=_receipt(row, events),
    )


def _receipt(row: AnyRow, events: list[AnyRow]) -> Receipt | None:
    asks = [event for event in events if event.event == EventName.STOP_ASKED]
    if not asks:
        return None
    asked = asks[0]
    if row.status == JobStatus.ABANDONED:
        # A shutdown may have been first; it is the request that made it an abandonment.
        asked = next((one for one in asks if one.why == StopReason.REQUEST.name), asked)
    ended = next((event for event in events if event.event == EventName.ENDED), None)
    return Receipt(
        asked_at=asked.at,
        by=asked.actor,
        reason=asked.detail,
        work_ended_at=row.end_time,
        recorded_at=None if ended is None else ended.at,
    )


def _step(row: AnyRow) -> StepExecution:
    return StepExecution(
        id=row.step_execution_id,
        name=row.step_name,
        status=JobStatus(row.status),
        exit_code=ExitCode(row.exit_code),
        exit_message=row.exit_message,
        create_time=row.create_time,
        start_time=row.start_time,
        end_time=row.end_time,
        last_updated=row.last_updated,
        commit_count=row.commit_count,
        read_count=row.read_count,
        filter_count=row.filter_count,
        write_count=row.write_count,
        process_skip_count=row.process_skip_count,
        rollback_count=row.rollback_count,
    )

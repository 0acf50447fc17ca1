"""Job executions: how their rows come to be, change and end.

Every change of status goes through `_transition`, whose UPDATE carries the guard, so of two
writers only one can win and what has ended is never rewritten.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

from attrs import frozen
from sqlalchemy import Connection, insert, select, update
from sqlalchemy.exc import IntegrityError

from ingest.errors import IllegalTransitionError, JobAlreadyRunningError
from ingest.model.job import (
    RESUMABLE,
    RUNNING,
    Ask,
    EventName,
    JobInstance,
    JobStatus,
    StopAsked,
    exit_code,
    sources,
    step_status,
)
from ingest.storage.database import AnyRow, Database
from ingest.storage.tables import (
    job_execution,
    job_execution_context,
    job_execution_event,
    job_execution_progress,
    job_instance,
    step_execution,
)


def utc_now() -> datetime:
    """Return the time, aware and in UTC."""
    return datetime.now(UTC)


@frozen(kw_only=True)
class Started:
    """A new execution on record."""

    execution_id: int
    #: Where the execution before it stood, when this one is to go on from there.
    checkpoint: str | None


class ExecutionStore:
    """Writes the rows of job executions; looking at them is `ExecutionQueries`' business."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def instances(self) -> tuple[JobInstance, ...]:
        """Return the job instances; they were made with the database and never change."""
        query = select(
            job_instance.c.job_instance_id, job_instance.c.version, job_instance.c.job_name
        ).order_by(job_instance.c.job_instance_id)
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return tuple(JobInstance(id=row[0], version=row[1], name=row[2]) for row in rows)

    async def start(
        self, instance: JobInstance, *, owner: str, ask: Ask, resumable: bool
    ) -> Started:
        """Put a new execution on record, STARTING, and give *owner* the right to write for it.

        Args:
            instance: The job to run.
            owner: Names the process and the run; see `ExecutionWriter`.
            ask: Who wants it and why.
            resumable: Whether to hand on the checkpoint of an execution that was STOPPED or
                FAILED.

        Raises:
            JobAlreadyRunningError: An execution of this instance is on record as running.
        """
        try:
            return await self._database.write(
                lambda connection: _start(connection, instance, owner, ask, resumable=resumable)
            )
        except IntegrityError:
            running = await self._database.read(lambda c: _running_id(c, instance.id))
            if running is None:  # it ended between the two: the index refused rightly
                return await self.start(instance, owner=owner, ask=ask, resumable=resumable)
            raise JobAlreadyRunningError(
                instance_id=instance.id,
                instance_version=instance.version,
                job_name=instance.name,
                execution_id=running,
            ) from None

    async def mark_started(
        self, execution_id: int, *, step_name: str, checkpoint: str | None
    ) -> None:
        """Record that the work has begun, with its one step.

        Raises:
            IllegalTransitionError: The execution has been told to stop, or has ended.
        """
        await self._database.write(
            lambda connection: _mark_started(connection, execution_id, step_name, checkpoint)
        )

    async def mark_stopping(self, execution_id: int, asks: Sequence[StopAsked]) -> None:
        """Record that an execution was told to stop, and by whom.

        Raises:
            IllegalTransitionError: It has ended, or was STOPPING already.
        """

        def work(connection: Connection) -> None:
            _transition(connection, execution_id, JobStatus.STOPPING)
            _add_stop_asks(connection, execution_id, asks)

        await self._database.write(work)

    async def end(
        self,
        execution_id: int,
        status: JobStatus,
        *,
        exit_message: str,
        work_ended_at: datetime,
        asks: Sequence[StopAsked],
    ) -> None:
        """Record an execution's end, with its step's; durable on return.

        Raises:
            IllegalTransitionError: It has ended already.
        """

        def work(connection: Connection) -> None:
            _add_stop_asks(connection, execution_id, asks)
            _end(connection, execution_id, status, exit_message, work_ended_at)
            _add_event(connection, execution_id, EventName.ENDED, "service", status)

        await self._database.write(work)

    async def recover(self, *, actor: str) -> list[int]:
        """Record as FAILED what a process that is gone left running; return the execution ids.

        Only for the one that owns the database: to it such rows are orphans by proof.
        """

        def work(connection: Connection) -> list[int]:
            query = select(job_execution.c.job_execution_id, job_execution.c.status).where(
                job_execution.c.status.in_(RUNNING)
            )
            orphans = connection.execute(query).all()
            for execution_id, status in orphans:
                message = (
                    "the service ended while this execution was running "
                    f"(found {status}); what it had written stands, start the job again"
                )
                _end(connection, execution_id, JobStatus.FAILED, message, utc_now())
                _add_event(connection, execution_id, EventName.RECOVERED, actor, f"found {status}")
            return [row.job_execution_id for row in orphans]

        return await self._database.write(work)


def _start(
    connection: Connection, instance: JobInstance, owner: str, ask: Ask, *, resumable: bool
) -> Started:
    now = utc_now()
    checkpoint = _checkpoint(connection, instance.id) if resumable else None
    inserted = connection.execute(
        insert(job_execution).values(
            job_instance_id=instance.id,
            create_time=now,
            last_updated=now,
            status=JobStatus.STARTING,
            exit_code=exit_code(JobStatus.STARTING),
            owner=owner,
        )
    )
    execution_id: int = _primary_key(inserted.inserted_primary_key)
    _add_event(connection, execution_id, EventName.REQUESTED, ask.by, ask.reason, at=now)
    return Started(execution_id=execution_id, checkpoint=checkpoint)


def _primary_key(row: AnyRow | None) -> int:
    if row is None:
        raise RuntimeError("the database gave no primary key for a new row")
    return int(row[0])


def _checkpoint(connection: Connection, instance_id: int) -> str | None:
    last = connection.execute(
        select(job_execution.c.status, job_execution_context.c.checkpoint)
        .outerjoin(job_execution_context)
        .where(job_execution.c.job_instance_id == instance_id)
        .order_by(job_execution.c.job_execution_id.desc())
        .limit(1)
    ).first()
    return last.checkpoint if last is not None and last.status in RESUMABLE else None


def _running_id(connection: Connection, instance_id: int) -> int | None:
    query = select(job_execution.c.job_execution_id).where(
        job_execution.c.job_instance_id == instance_id, job_execution.c.status.in_(RUNNING)
    )
    return connection.execute(query).scalar()


def _mark_started(
    connection: Connection, execution_id: int, step_name: str, checkpoint: str | None
) -> None:
    row = _transition(connection, execution_id, JobStatus.STARTED)
    started = max(utc_now(), row.create_time)
    connection.execute(
        update(job_execution)
        .where(job_execution.c.job_execution_id == execution_id)
        .values(start_time=started)
    )
    connection.execute(
        insert(step_execution).values(
            job_execution_id=execution_id,
            step_name=step_name,
            create_time=started,
            start_time=started,
            last_updated=started,
            status=JobStatus.STARTED,
            exit_code=exit_code(JobStatus.STARTED),
        )
    )
    connection.execute(insert(job_execution_progress).values(job_execution_id=execution_id))
    _add_event(connection, execution_id, EventName.STARTED, "service", None)
    if checkpoint is not None:
        connection.execute(
            insert(job_execution_context).values(
                job_execution_id=execution_id, checkpoint=checkpoint
            )
        )
        _add_event(connection, execution_id, EventName.CHECKPOINT_RESUMED, "service", checkpoint)


def _end(
    connection: Connection,
    execution_id: int,
    status: JobStatus,
    exit_message: str,
    ended_at: datetime,
) -> None:
    row = _transition(connection, execution_id, status)
    # A clock that stepped back must not make an execution end before it began.
    end_time = max(ended_at, row.start_time or row.create_time)
    connection.execute(
        update(job_execution)
        .where(job_execution.c.job_execution_id == execution_id)
        .values(end_time=end_time, exit_message=exit_message, owner="")
    )
    step = step_status(status)
    connection.execute(
        update(step_execution)
        .where(
            step_execution.c.job_execution_id == execution_id,
            step_execution.c.status.in_(sources(step)),
        )
        .values(
            version=step_execution.c.version + 1,
            status=step,
            exit_code=exit_code(step),
            exit_message=exit_message,
            end_time=end_time,
            last_updated=end_time,
        )
    )


def _transition(connection: Connection, execution_id: int, target: JobStatus) -> AnyRow:
    """Change an execution's status, if the edge exists; return the row as it was before.

    Raises:
        IllegalTransitionError: There is no such edge from where it stands, or the row was changed
            between the look and the change.
    """
    row = connection.execute(
        select(
            job_execution.c.version,
            job_execution.c.create_time,
            job_execution.c.start_time,
            job_execution.c.last_updated,
        ).where(job_execution.c.job_execution_id == execution_id)
    ).first()
    if row is None:
        raise IllegalTransitionError(execution_id=execution_id, target=target)
    changed = connection.execute(
        update(job_execution)
        .where(
            job_execution.c.job_execution_id == execution_id,
            job_execution.c.version == row.version,
            job_execution.c.status.in_(sources(target)),
        )
        .values(
            version=row.version + 1,
            status=target,
            exit_code=exit_code(target),
            last_updated=max(utc_now(), row.last_updated),
        )
    )
    if changed.rowcount != 1:
        raise IllegalTransitionError(execution_id=execution_id, target=target)
    return row


def _add_stop_asks(connection: Connection, execution_id: int, asks: Sequence[StopAsked]) -> None:
    for asked in asks:
        _add_event(
            connection,
            execution_id,
            EventName.STOP_ASKED,
            asked.ask.by,
            asked.ask.reason,
            at=asked.at,
        )


def _add_event(
    connection: Connection,
    execution_id: int,
    event: EventName,
    actor: str,
    detail: str | None,
    *,
    at: datetime | None = None,
) -> None:
    connection.execute(
        insert(job_execution_event).values(
            job_execution_id=execution_id,
            at=at or utc_now(),
            event=event,
            actor=actor,
            detail=detail,
        )
    )

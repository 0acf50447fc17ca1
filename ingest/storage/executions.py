"""Job executions: how their rows come to be, change and end."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Final

from attrs import frozen
from sqlalchemy import Connection, Select, insert, select, update
from sqlalchemy.exc import IntegrityError

from ingest.errors import JobAlreadyRunningError
from ingest.model.job import (
    RESUMABLE,
    RUNNING,
    Ask,
    EventName,
    JobExecution,
    JobInstance,
    JobStatus,
    Outcome,
    Progress,
    StopAsked,
    exit_code,
)
from ingest.model.traffic import Traffic
from ingest.storage.database import AnyRow, Transactions
from ingest.storage.execution_queries import load_execution
from ingest.storage.instances import are_expected, load_instances, restore_instances
from ingest.storage.parameters import add_parameters
from ingest.storage.tables import (
    job_execution,
    job_execution_context,
    job_execution_progress,
    step_execution,
)
from ingest.storage.transitions import (
    add_event,
    add_stop_asks,
    end,
    record_traffic,
    transition,
    utc_now,
)

_NO_PARAMETERS: Final = MappingProxyType[str, str]({})
_NO_TRAFFIC: Final = Traffic()


@frozen(kw_only=True)
class Started:
    """A new execution on record."""

    execution_id: int
    #: Where the execution before it stood, when this one is to go on from there.
    checkpoint: str | None


class ExecutionStore:
    """Writes the rows of job executions; looking at them is `ExecutionQueries`' business."""

    def __init__(self, database: Transactions) -> None:
        self._database = database

    async def instances(self) -> tuple[JobInstance, ...]:
        """Return the job instances; they were made with the database and never change.

        One that somebody has deleted is put back.

        Raises:
            DatabaseVersionError: It cannot be: somebody has put another in its place.
        """
        instances = await self._database.read(load_instances)
        if are_expected(instances):
            return instances
        return await self._database.write(restore_instances)

    async def start(
        self,
        instance: JobInstance,
        *,
        owner: str,
        ask: Ask,
        resumable: bool,
        parameters: Mapping[str, str] = _NO_PARAMETERS,
    ) -> Started:
        """Put a new execution on record, STARTING, and give *owner* the right to write for it.

        Args:
            instance: The job to run.
            owner: Names the process and the run; see `ExecutionWriter`.
            ask: Who wants it and why.
            resumable: Whether to hand on the checkpoint of an execution that was STOPPED or
                FAILED.
            parameters: What else the start asked for, by name; put on record with it.

        Raises:
            JobAlreadyRunningError: An execution of this instance is on record as running.
        """

        def work(connection: Connection) -> Started:
            started = _start(connection, instance, owner, ask, resumable=resumable)
            add_parameters(connection, started.execution_id, parameters)
            return started

        try:
            return await self._database.write(work)
        except IntegrityError:
            running = await self._database.read(lambda c: _running_id(c, instance.id))
            if running is None:  # it ended between the two: the index refused rightly
                return await self.start(
                    instance, owner=owner, ask=ask, resumable=resumable, parameters=parameters
                )
            raise JobAlreadyRunningError(
                instance_id=instance.id,
                instance_version=instance.version,
                job_name=instance.name,
                execution_id=running,
            ) from None

    async def mark_started(
        self, execution_id: int, *, step_name: str, checkpoint: str | None
    ) -> None:
        """Record that the work has begun, with its one step. Twice is the same as once.

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
            transition(connection, execution_id, JobStatus.STOPPING)
            add_stop_asks(connection, execution_id, asks)

        await self._database.write(work)

    async def end(
        self,
        execution_id: int,
        decide: Callable[[Progress], Outcome],
        *,
        work_ended_at: datetime,
        asks: Sequence[StopAsked],
        traffic: Traffic = _NO_TRAFFIC,
    ) -> JobExecution:
        """Record an execution's end, with its step's; durable on return.

        Args:
            execution_id: The execution.
            decide: Says how it ended, given how far it was.
            work_ended_at: When the last of its work was over.
            asks: Everybody who asked it to stop.
            traffic: All that it has asked of the bank.

        Returns:
            The execution as it is on record now.

        Raises:
            IllegalTransitionError: It has ended already.
            JobExecutionNotFoundError: Its row is gone.
        """

        def work(connection: Connection) -> JobExecution:
            before = load_execution(connection, execution_id)
            add_stop_asks(connection, execution_id, asks)
            outcome = decide(before.progress)
            end(connection, execution_id, outcome.status, outcome.exit_message, work_ended_at)
            if traffic.requests:
                record_traffic(connection, execution_id, traffic)
            add_event(connection, execution_id, EventName.ENDED, "service", outcome.status)
            return load_execution(connection, execution_id)

        return await self._database.write(work)

    async def recover(self, *, actor: str) -> list[int]:
        """Record as FAILED what a process that is gone left running; return the execution ids.

        Only for the one that owns the database: to it such rows are orphans by proof.
        """
        query = select(job_execution.c.job_execution_id, job_execution.c.status).where(
            job_execution.c.status.in_(RUNNING)
        )
        why = "the service ended while this execution was running"
        return await self._database.write(lambda c: _fail(c, query, actor, why))

    async def settle_orphan(self, instance_id: int, *, actor: str) -> list[int]:
        """Record as FAILED what is on record as running of an instance, though nothing runs it.

        Such a row comes of a start whose commit was carried out but answered with an error, or of
        a hand at the database. Only for the owner of the database, when it knows that nothing of
        the instance runs or is being started. Returns the execution ids.
        """
        query = select(job_execution.c.job_execution_id, job_execution.c.status).where(
            job_execution.c.job_instance_id == instance_id, job_execution.c.status.in_(RUNNING)
        )
        why = "the service did not run this execution, though it was on record as running"
        return await self._database.write(lambda c: _fail(c, query, actor, why))


def _fail(connection: Connection, orphans: Select[int, str], actor: str, why: str) -> list[int]:
    found = connection.execute(orphans).all()
    for execution_id, status in found:
        message = f"{why} (found {status}); what it had written stands, start the job again"
        end(connection, execution_id, JobStatus.FAILED, message, utc_now())
        add_event(connection, execution_id, EventName.RECOVERED, actor, f"found {status}")
    return [execution_id for execution_id, _ in found]


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
    add_event(connection, execution_id, EventName.REQUESTED, ask.by, ask.reason, at=now)
    if checkpoint is not None:
        # From the first moment its own: should it end before it begins, the next one resumes.
        connection.execute(
            insert(job_execution_context).values(
                job_execution_id=execution_id, checkpoint=checkpoint
            )
        )
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
    status = connection.execute(
        select(job_execution.c.status).where(job_execution.c.job_execution_id == execution_id)
    ).scalar()
    if status == JobStatus.STARTED:
        return  # an earlier attempt was committed, though its answer was an error
    row = transition(connection, execution_id, JobStatus.STARTED)
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
    add_event(connection, execution_id, EventName.STARTED, "service", None)
    if checkpoint is not None:
        add_event(connection, execution_id, EventName.CHECKPOINT_RESUMED, "service", checkpoint)

"""How a job execution's row changes: the guarded transitions, and the events that tell of them.

Every change of status goes through `transition`, whose UPDATE carries the guard, so of two
writers only one can win and what has ended is never rewritten. Functions over a connection, to
be run in a transaction of the caller's.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import Connection, func, insert, select, update

from ingest.errors import IllegalTransitionError
from ingest.model.job import (
    EventName,
    JobStatus,
    StopAsked,
    StopReason,
    exit_code,
    sources,
    step_status,
)
from ingest.model.text import storable
from ingest.model.traffic import Traffic
from ingest.storage.database import AnyRow
from ingest.storage.tables import (
    job_execution,
    job_execution_event,
    job_execution_progress,
    step_execution,
)


def utc_now() -> datetime:
    """Return the time, aware and in UTC."""
    return datetime.now(UTC)


def traffic_values(traffic: Traffic) -> dict[str, int]:
    """Return what an execution has asked of the bank, by the columns it is kept in."""
    return {
        "requests": traffic.requests,
        "requests_retried": traffic.retried,
        "requests_waited_ms": round(traffic.waited_s * 1000),
    }


def record_traffic(connection: Connection, execution_id: int, traffic: Traffic) -> None:
    """Put on record all that an execution has asked of the bank."""
    connection.execute(
        update(job_execution_progress)
        .where(job_execution_progress.c.job_execution_id == execution_id)
        .values(traffic_values(traffic))
    )


def end(
    connection: Connection,
    execution_id: int,
    status: JobStatus,
    exit_message: str,
    ended_at: datetime,
) -> None:
    """End an execution and its step, and take the right to write away.

    Raises:
        IllegalTransitionError: It has ended already.
    """
    row = transition(connection, execution_id, status)
    exit_message = storable(exit_message)
    # A clock that stepped back must not make an execution end before it began.
    end_time = max(ended_at, row.start_time or row.create_time)
    connection.execute(
        update(job_execution)
        .where(job_execution.c.job_execution_id == execution_id)
        .values(
            end_time=end_time,
            exit_message=exit_message,
            owner="",
            last_updated=max(utc_now(), row.last_updated, end_time),
        )
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


def transition(connection: Connection, execution_id: int, target: JobStatus) -> AnyRow:
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


def add_stop_asks(connection: Connection, execution_id: int, asks: Sequence[StopAsked]) -> None:
    """Write down who asked for a stop, as far as that is not on record yet.

    *asks* are all there are, in the order in which they came.
    """
    on_record = connection.execute(
        select(func.count())
        .select_from(job_execution_event)
        .where(
            job_execution_event.c.job_execution_id == execution_id,
            job_execution_event.c.event == EventName.STOP_ASKED,
        )
    ).scalar_one()
    for asked in asks[on_record:]:
        add_event(
            connection,
            execution_id,
            EventName.STOP_ASKED,
            asked.ask.by,
            asked.ask.reason,
            at=asked.at,
            why=asked.why,
        )


def add_event(
    connection: Connection,
    execution_id: int,
    event: EventName,
    actor: str,
    detail: str | None,
    *,
    at: datetime | None = None,
    why: StopReason | None = None,
) -> None:
    """Write one line of an execution's history."""
    connection.execute(
        insert(job_execution_event).values(
            job_execution_id=execution_id,
            at=at or utc_now(),
            event=event,
            actor=actor,
            detail=detail,
            why=None if why is None else why.name,
        )
    )

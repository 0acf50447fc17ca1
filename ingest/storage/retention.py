"""Forgetting executions of long ago: which ones, and one small piece at a time."""

from typing import Any, Final

from sqlalchemy import Connection, Table, delete, exists, select, update

from ingest.model.job import ENDED, EventName, JobStatus
from ingest.storage.figures import is_dry_run
from ingest.storage.tables import (
    bank_scan,
    item_log,
    job_execution,
    job_execution_context,
    job_execution_event,
    job_execution_params,
    job_execution_progress,
    job_instance,
    planned_change,
    step_execution,
    withheld_deletion,
)

#: So many rows are written in one transaction at most: whoever waits for it waits milliseconds.
PIECE_ROWS: Final = 500

#: What goes with its execution, a few rows each.
_BELONGINGS: Final[tuple[Table, ...]] = (
    step_execution,
    job_execution_context,
    job_execution_progress,
    job_execution_event,
    job_execution_params,
    bank_scan,
    withheld_deletion,
)


def forgettable(connection: Connection, retain: int) -> list[int]:
    """Return the executions that are to be forgotten when *retain* ended ones of a job are kept.

    Beyond those *retain* there stay: what runs, the last success (dry runs aside), whose listing
    the next one goes on from, whose deletions are withheld and not settled, and what a kept
    execution resumed from. Newest first: so nothing is ever without what it resumed from, wherever
    the forgetting is cut.
    """
    instances = connection.execute(select(job_instance.c.job_instance_id)).scalars().all()
    found = [
        execution_id
        for instance_id in instances
        for execution_id in _forgettable(connection, instance_id, retain)
    ]
    return sorted(found, reverse=True)


def _forgettable(connection: Connection, instance_id: int, retain: int) -> list[int]:
    column = job_execution.c.job_execution_id
    of_instance = job_execution.c.job_instance_id == instance_id
    ended = (
        select(column)
        .where(of_instance, job_execution.c.status.in_(ENDED))
        .order_by(column.desc())
        .offset(retain - 1)
    )
    newest_first = list(connection.execute(ended).scalars())
    if len(newest_first) <= 1:
        return []
    last_success = connection.execute(
        select(column)
        .where(of_instance, job_execution.c.status == JobStatus.COMPLETED, ~is_dry_run())
        .order_by(column.desc())
        .limit(1)
    ).scalar()
    unsettled = select(withheld_deletion.c.job_execution_id).where(
        withheld_deletion.c.settled_by.is_(None)
    )
    listing = (
        select(bank_scan.c.job_execution_id)
        .where(bank_scan.c.complete)
        .order_by(bank_scan.c.bank_scan_id.desc())
        .limit(1)
    )
    needed = (unsettled, listing)
    kept = {last_success, *(one for query in needed for one in connection.execute(query).scalars())}
    resumed = _resumed(connection, instance_id)
    forgotten = []
    after, is_after_kept = newest_first[0], True
    for execution_id in newest_first[1:]:
        is_kept = execution_id in kept or (is_after_kept and after in resumed)
        if not is_kept:
            forgotten.append(execution_id)
        after, is_after_kept = execution_id, is_kept
    return forgotten


def _resumed(connection: Connection, instance_id: int) -> set[int]:
    event = job_execution_event.c
    query = (
        select(event.job_execution_id)
        .join(job_execution)
        .where(
            event.event == EventName.CHECKPOINT_RESUMED,
            job_execution.c.job_instance_id == instance_id,
        )
    )
    return set(connection.execute(query).scalars())


def forget_piece(connection: Connection, execution_id: int) -> bool:
    """Forget some of an execution; return whether nothing is left of it.

    The log of its items stays, and names no execution any more. What still runs is left alone.
    Every piece leaves a sound database: one that is cut between two goes on where it stood.
    """
    is_ended = exists().where(
        job_execution.c.job_execution_id == execution_id, job_execution.c.status.in_(ENDED)
    )
    if not connection.execute(select(is_ended)).scalar():
        return True
    piece = (
        select(planned_change.c.item_id)
        .where(planned_change.c.job_execution_id == execution_id)
        .limit(PIECE_ROWS)
    )
    planned = connection.execute(
        delete(planned_change).where(
            planned_change.c.job_execution_id == execution_id, planned_change.c.item_id.in_(piece)
        )
    )
    if planned.rowcount:
        return False
    lines = (
        select(item_log.c.item_log_id)
        .where(item_log.c.job_execution_id == execution_id)
        .limit(PIECE_ROWS)
    )
    logged = connection.execute(
        update(item_log).where(item_log.c.item_log_id.in_(lines)).values(job_execution_id=None)
    )
    if logged.rowcount == PIECE_ROWS:
        return False
    _forget_row(connection, execution_id)
    return True


def _forget_row(connection: Connection, execution_id: int) -> None:
    # What it has settled is settled for good: to say by whom would take its row.
    settled = withheld_deletion.c.settled_by == execution_id
    connection.execute(delete(withheld_deletion).where(settled))
    for table in (*_BELONGINGS, job_execution):
        column: Any = table.c.job_execution_id
        connection.execute(delete(table).where(column == execution_id))

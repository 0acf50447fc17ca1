"""Figures of the database for those who watch it: cheap, whatever it holds."""

import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from attrs import frozen
from sqlalchemy import ColumnElement, Connection, func, select

from ingest.model.job import ENDED, JobStatus
from ingest.storage.deletions import unsettled_deletions
from ingest.storage.tables import (
    ingest_problem,
    item,
    job_execution,
    job_execution_params,
    job_instance,
    pending_push,
)


@frozen
class LastSuccess:
    """The last execution of a job that COMPLETED, and was no dry run."""

    job_name: str
    ended_at: datetime
    duration_s: float


@frozen(kw_only=True)
class Figures:
    """How much of what is in the database, at one moment."""

    items: int
    problems: Mapping[str, int]
    withheld_deletions: int
    pending_pushes: int
    #: When the first of them came.
    oldest_push: datetime | None


@frozen(kw_only=True)
class Files:
    """How much room the database takes, and how much there is."""

    main_bytes: int
    log_bytes: int
    free_bytes: int
    disk_bytes: int


def load_figures(connection: Connection) -> Figures:
    """Count items, problems and pushes, each by an index, and nothing else that grows."""
    push = pending_push.c.first_at
    pushes, oldest = connection.execute(select(func.count(), func.min(push))).one()
    withheld = unsettled_deletions(connection)
    kinds = select(ingest_problem.c.kind, func.count()).group_by(ingest_problem.c.kind)
    return Figures(
        items=connection.execute(select(func.count()).select_from(item)).scalar_one(),
        problems={row[0]: row[1] for row in connection.execute(kinds)},
        withheld_deletions=0 if withheld is None else withheld.withheld.missing,
        pending_pushes=pushes,
        oldest_push=oldest,
    )


def count_ended(connection: Connection) -> dict[tuple[str, JobStatus], int]:
    """Return how many ended executions are on record, by job name and status.

    Looks at each of them: not to be asked all the time.
    """
    names = select(job_instance.c.job_name)
    counts = {(name, status): 0 for name in connection.execute(names).scalars() for status in ENDED}
    query = (
        select(job_instance.c.job_name, job_execution.c.status, func.count())
        .join(job_instance)
        .where(job_execution.c.status.in_(ENDED))
        .group_by(job_instance.c.job_name, job_execution.c.status)
    )
    for name, status, count in connection.execute(query):
        counts[name, JobStatus(status)] = count
    return counts


def last_successes(connection: Connection) -> list[LastSuccess]:
    """Return the last success of each job that has had one."""
    found = []
    instances = select(job_instance.c.job_instance_id, job_instance.c.job_name)
    for instance_id, name in connection.execute(instances).all():
        row = connection.execute(
            select(job_execution.c.start_time, job_execution.c.end_time)
            .where(
                job_execution.c.job_instance_id == instance_id,
                job_execution.c.status == JobStatus.COMPLETED,
                ~is_dry_run(),
            )
            .order_by(job_execution.c.job_execution_id.desc())
            .limit(1)
        ).first()
        if row is not None and row.start_time and row.end_time:
            duration_s = (row.end_time - row.start_time).total_seconds()
            found.append(LastSuccess(name, row.end_time, duration_s))
    return found


def is_dry_run() -> ColumnElement[bool]:
    """Return the condition that an execution has written nothing but a plan."""
    return (
        select(job_execution_params)
        .where(
            job_execution_params.c.job_execution_id == job_execution.c.job_execution_id,
            job_execution_params.c.parameter_name == "dry-run",
        )
        .exists()
    )


def measure_files(database: Path) -> Files:
    """Look at the database's files and its disk; may take as long as the file system takes.

    Raises:
        OSError: They cannot be looked at.
    """
    log = database.with_name(f"{database.name}-wal")
    disk = os.statvfs(database.parent)
    return Files(
        main_bytes=database.stat().st_size,
        log_bytes=log.stat().st_size if log.exists() else 0,
        free_bytes=disk.f_bavail * disk.f_frsize,
        disk_bytes=disk.f_blocks * disk.f_frsize,
    )

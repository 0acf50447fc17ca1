"""Answers about jobs as they are: what the views make of facts such as the service comes by."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

import orjson
from attrs import evolve

from ingest.api import views
from ingest.api.health import DOWN, UP
from ingest.items.migration import Migration
from ingest.items.synchronization import Synchronization
from ingest.jobs.engine import Abandoned, NothingToAbandon, StillStopping
from ingest.jobs.service import JobState
from ingest.metrics.instruments import Metrics
from ingest.model.job import (
    Counts,
    EventName,
    ExecutionEvent,
    ExitCode,
    JobExecution,
    JobInstance,
    JobStatus,
    Progress,
    Receipt,
    StepExecution,
)
from ingest.model.plan import PlannedChange, PlannedCounts
from ingest.storage.deletions import Withheld, WithheldBy
from ingest.storage.plans import PlannedItem

SYNCHRONIZATION: Final = JobInstance(id=1, version=0, name=Synchronization.name)
MIGRATION: Final = JobInstance(id=2, version=0, name=Migration.name)

_AT: Final = datetime(2026, 11, 25, 23, 14, 50, 914000, tzinfo=UTC)
_SUMMARY: Final = (
    "Total item bank ids: 2000, number of items requiring project webhook: 0, number of items "
    "deleted from IMRT: 0, last item processed 102000"
)

_STEP: Final = StepExecution(
    id=14,
    name=Synchronization.step_name,
    status=JobStatus.COMPLETED,
    exit_code=ExitCode.COMPLETED,
    exit_message=_SUMMARY,
    create_time=_AT,
    start_time=_AT + timedelta(milliseconds=5),
    end_time=_AT + timedelta(seconds=4),
    last_updated=_AT + timedelta(seconds=4),
    commit_count=81,
    read_count=1900,
    filter_count=100,
    write_count=1900,
    process_skip_count=0,
    rollback_count=0,
)

COMPLETED: Final = JobExecution(
    id=14,
    version=84,
    instance_id=SYNCHRONIZATION.id,
    job_name=SYNCHRONIZATION.name,
    status=JobStatus.COMPLETED,
    exit_code=ExitCode.COMPLETED,
    exit_message=_SUMMARY,
    create_time=_AT,
    start_time=_AT + timedelta(milliseconds=5),
    end_time=_AT + timedelta(seconds=4),
    last_updated=_AT + timedelta(seconds=4),
    counts=Counts(read=1900, created=1900, unchanged=100),
    progress=Progress(total=2000, processed=2000),
    steps=(_STEP,),
)

_STOPPED: Final = (
    "Abandoned on request of 127.0.0.1 at 2026-11-25T23:14:51.899Z: 100 of 2000 items processed"
)
ABANDONED: Final = evolve(
    COMPLETED,
    status=JobStatus.ABANDONED,
    exit_code=ExitCode.STOPPED,
    exit_message=_STOPPED,
    end_time=_AT + timedelta(seconds=1),
    last_updated=_AT + timedelta(seconds=1),
    counts=Counts(read=100, created=100),
    progress=Progress(total=2000, processed=100),
    steps=(
        evolve(
            _STEP,
            status=JobStatus.STOPPED,
            exit_code=ExitCode.STOPPED,
            exit_message=_STOPPED,
            end_time=_AT + timedelta(seconds=1),
            commit_count=5,
            read_count=100,
            filter_count=0,
            write_count=100,
        ),
    ),
    receipt=Receipt(
        asked_at=_AT + timedelta(milliseconds=985),
        by="127.0.0.1",
        reason="bank maintenance tonight",
        work_ended_at=_AT + timedelta(milliseconds=998),
        recorded_at=_AT + timedelta(milliseconds=1004),
    ),
)
DRY_RUN: Final = evolve(
    COMPLETED,
    parameters={"dry-run": "true"},
    planned=PlannedCounts(created=3, updated=10, deleted=1),
)
_EARLIER: Final = evolve(
    COMPLETED,
    id=13,
    instance_id=MIGRATION.id,
    job_name=MIGRATION.name,
    exit_message="Total item bank ids: 2000, number of errors encountered: 0",
    counts=Counts(unchanged=2000),
    steps=(),
)
_WITHHELD: Final = WithheldBy(
    execution_id=14, withheld=Withheld(missing=400, stored=2000, allowed=100)
)


def started(instance: JobInstance) -> Any:
    """Return the answer to a start."""
    return views.started(instance, COMPLETED.id)


def abandonments() -> dict[str, Any]:
    """Return what an abandon can answer with 200."""
    return {
        "abandoned": views.abandonment(SYNCHRONIZATION, Abandoned(ABANDONED)),
        "nothing ran": views.abandonment(SYNCHRONIZATION, NothingToAbandon()),
    }


def still_stopping() -> dict[str, Any]:
    """Return what an abandon answers whose wait is over."""
    stands_at = "ingest/items/synchronization.py:128 in _delete"
    no_room = "The database /srv/ingest.db cannot be used: database or disk is full"
    return {
        "winds down": views.abandonment(
            SYNCHRONIZATION, StillStopping(14, 20.0, unrecorded=None, place=stands_at)
        ),
        "not on record": views.abandonment(
            SYNCHRONIZATION, StillStopping(14, 20.0, unrecorded=no_room, place=None)
        ),
    }


def jobs() -> Any:
    """Return both jobs."""
    states = [
        JobState(instance=SYNCHRONIZATION, running=None, last_ended=ABANDONED),
        JobState(instance=MIGRATION, running=None, last_ended=None),
    ]
    return {"jobs": [views.job(state, None) for state in states], "next": None}


def executions() -> Any:
    """Return a page of executions."""
    rows = [views.execution(one) for one in (COMPLETED, _EARLIER)]
    return views.page("executions", rows, 1, "jobExecutionId")


def execution(one: JobExecution) -> Any:
    """Return an execution."""
    return views.execution(one)


def stacked() -> Any:
    """Return an execution with its lines of code."""
    return {**views.execution(COMPLETED), "stack": None}


def event() -> Any:
    """Return the event that a stream ends with."""
    return {"data": orjson.dumps(views.execution(COMPLETED)).decode()}


def history() -> Any:
    """Return an execution's events."""
    told = [
        (0, EventName.REQUESTED, "127.0.0.1", "the nightly run"),
        (5, EventName.STARTED, "service", None),
        (985, EventName.STOP_ASKED, "127.0.0.1", "bank maintenance tonight"),
        (1000, EventName.ENDED, "service", JobStatus.ABANDONED.value),
    ]
    events = [
        ExecutionEvent(
            at=_AT + timedelta(milliseconds=after), event=name, actor=actor, detail=detail
        )
        for after, name, actor, detail in told
    ]
    return {"events": [views.event(one) for one in events], "next": None}


def changes() -> Any:
    """Return what a dry run has planned."""
    planned = {100001: PlannedChange.CREATED, 100007: PlannedChange.UPDATED}
    rows = [
        views.planned_item(PlannedItem(item_id=item_id, change=change))
        for item_id, change in planned.items()
    ]
    return views.page("changes", rows, 2, "itemId")


def metric() -> str:
    """Return the lines of a metric."""
    text = Metrics([SYNCHRONIZATION.name, MIGRATION.name]).exposition("")[0].decode()
    return "".join(
        line for line in text.splitlines(keepends=True) if "ingest_executions_started" in line
    )


def healthy() -> Any:
    """Return the health of a service that works."""
    jobs = {
        "status": UP,
        "running": [SYNCHRONIZATION.name],
        "withheldDeletions": views.withheld_deletions(_WITHHELD),
    }
    return _health(UP, {"status": UP}, jobs)


def unhealthy() -> Any:
    """Return the health of a service that does not work."""
    reason = "The database /srv/ingest.db cannot be used: disk I/O error"
    jobs = {"status": DOWN, "message": "the database does not tell"}
    return _health(DOWN, {"status": DOWN, "message": reason}, jobs)


def _health(status: str, database: Any, jobs: Any) -> Any:
    loop = {"status": UP, "lagSeconds": 0.0004, "worstLagSeconds": 0.0121}
    components = {
        "database": database,
        "itemBank": {"status": UP},
        "jobs": jobs,
        "eventLoop": loop,
    }
    return {"status": status, "components": components}

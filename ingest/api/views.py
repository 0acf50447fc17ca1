"""What answers look like: documents of plain values from the facts of the model."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

import orjson
from aiohttp import web

from ingest.items.synchronization import Synchronization
from ingest.jobs.engine import Abandoned, Abandonment, StillStopping
from ingest.jobs.service import JobState
from ingest.model.job import (
    RUNNING,
    ExecutionEvent,
    JobExecution,
    JobInstance,
    JobStatus,
    Receipt,
    StepExecution,
    summary,
)
from ingest.model.plan import PlannedCounts
from ingest.storage.deletions import WithheldBy
from ingest.storage.plans import PlannedItem

Json = dict[str, Any]

#: What an abandon answers in the place of a status where nothing runs.
NO_JOB_EXECUTIONS: Final = "NO JOB EXECUTIONS"


def json_response(document: Json, *, status: int = 200, **options: Any) -> web.Response:
    """Answer with a document as JSON on one line, without spaces."""
    return web.Response(
        body=orjson.dumps(document, default=_default),
        status=status,
        content_type="application/json",
        **options,
    )


def _default(value: object) -> object:
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def moment(value: datetime | None) -> str | None:
    """Return a time as ISO 8601 in UTC, with a Z."""
    if value is None:
        return None
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def started(instance: JobInstance, execution_id: int) -> Json:
    """Return the answer to a start."""
    return {
        "jobExecutionId": execution_id,
        "jobInstanceId": instance.id,
        "name": instance.name,
        "status": JobStatus.STARTING.value,
        "message": f"Started {instance.name} successfully",
    }


def abandonment(instance: JobInstance, became: Abandonment) -> Json:
    """Return the answer to an abandon; its words are the client's, to the byte."""
    if isinstance(became, Abandoned):
        execution_id, status = became.execution.id, JobStatus.ABANDONED.value
        message = f"Job Execution {execution_id} for Job {instance.name} abandoned successfully"
    elif isinstance(became, StillStopping):
        execution_id, status = became.execution_id, JobStatus.STOPPING.value
        message = _still_stopping(instance, became)
    else:
        execution_id, status = 0, NO_JOB_EXECUTIONS
        message = (
            "No job executions are currently running for the "
            f"{instance.name} (job instance id {instance.id})"
        )
    return {
        "jobExecutionId": execution_id,
        "jobInstanceId": instance.id,
        "name": instance.name,
        "status": status,
        "message": message,
    }


def _still_stopping(instance: JobInstance, became: StillStopping) -> str:
    if became.unrecorded is not None:
        return (
            f"Job Execution {became.execution_id} for Job {instance.name} has stopped working, but "
            f"its end could not be recorded within {became.waited_s:g} seconds "
            f"({became.unrecorded}); the service keeps trying, and calling again goes on waiting"
        )
    place = "" if became.place is None else f" (it stands at {became.place})"
    return (
        f"Job Execution {became.execution_id} for Job {instance.name} was told to stop and has not "
        f"wound down after {became.waited_s:g} seconds{place}; it can write nothing any more, and "
        "calling again goes on waiting"
    )


def job(state: JobState, withheld: WithheldBy | None) -> Json:
    """Return a job with what runs of it, and deletions that wait for a word where it has any."""
    document = {
        "jobInstanceId": state.instance.id,
        "name": state.instance.name,
        "running": None if state.running is None else execution(state.running),
        "lastEnded": None if state.last_ended is None else execution(state.last_ended),
    }
    if withheld is not None and state.instance.name == Synchronization.name:
        document["withheldDeletions"] = withheld_deletions(withheld)
    return document


def execution(one: JobExecution) -> Json:
    """Return an execution with its progress, its steps and its receipt."""
    return {
        "jobExecutionId": one.id,
        "jobInstanceId": one.instance_id,
        "name": one.job_name,
        "status": one.status.value,
        "exitCode": one.exit_code.value,
        "exitMessage": one.exit_summary,
        "createTime": moment(one.create_time),
        "startTime": moment(one.start_time),
        "endTime": moment(one.end_time),
        "lastUpdated": moment(one.last_updated),
        "counts": {
            "read": one.counts.read,
            "created": one.counts.created,
            "updated": one.counts.updated,
            "unchanged": one.counts.unchanged,
            "deleted": one.counts.deleted,
            "failed": one.counts.failed,
        },
        "progress": _progress(one),
        "steps": [_step(step) for step in one.steps],
        "receipt": None if one.receipt is None else _receipt(one.receipt),
        "parameters": dict(one.parameters),
        "dryRun": None if one.planned is None else _planned(one.planned, one),
        "bankRequests": {
            "made": one.traffic.requests,
            "retried": one.traffic.retried,
            "waitedSeconds": one.traffic.waited_s,
        },
    }


def _planned(planned: PlannedCounts, one: JobExecution) -> Json:
    changes = planned.created + planned.updated + planned.deleted
    is_whole = one.status is JobStatus.COMPLETED
    return {
        "created": planned.created,
        "updated": planned.updated,
        "deleted": planned.deleted,
        # Only a dry run that came to its end can tell.
        "inStep": changes + one.counts.failed == 0 if is_whole else None,
    }


def planned_item(one: PlannedItem) -> Json:
    """Return what a dry run has planned for an item."""
    return {"itemId": str(one.item_id), "change": one.change.value}


def withheld_deletions(one: WithheldBy) -> Json:
    """Return deletions that wait for a person's word."""
    return {
        "jobExecutionId": one.execution_id,
        "missing": one.withheld.missing,
        "stored": one.withheld.stored,
        "allowed": one.withheld.allowed,
        "message": str(one.withheld),
    }


def _progress(one: JobExecution) -> Json:
    total, processed = one.progress.total, one.progress.processed
    rate = eta_s = None
    if one.start_time is not None:
        until = one.end_time or datetime.now(UTC)
        elapsed_s = (until - one.start_time).total_seconds()
        if elapsed_s > 0:
            rate = round(processed / elapsed_s, 1)
            if one.status in RUNNING and total is not None and processed > 0:
                eta_s = round((total - processed) * elapsed_s / processed, 1)
    return {"total": total, "processed": processed, "itemsPerSecond": rate, "etaSeconds": eta_s}


def _step(step: StepExecution) -> Json:
    return {
        "stepExecutionId": step.id,
        "name": step.name,
        "status": step.status.value,
        "exitCode": step.exit_code.value,
        "exitMessage": summary(step.exit_message),
        "startTime": moment(step.start_time),
        "endTime": moment(step.end_time),
        "commitCount": step.commit_count,
        "readCount": step.read_count,
        "filterCount": step.filter_count,
        "writeCount": step.write_count,
        "processSkipCount": step.process_skip_count,
        "rollbackCount": step.rollback_count,
    }


def _receipt(receipt: Receipt) -> Json:
    return {
        "askedAt": moment(receipt.asked_at),
        "by": receipt.by,
        "reason": receipt.reason,
        "workEndedAt": moment(receipt.work_ended_at),
        "recordedAt": moment(receipt.recorded_at),
    }


def event(one: ExecutionEvent) -> Json:
    """Return one line of an execution's history."""
    return {
        "at": moment(one.at),
        "event": one.event.value,
        "actor": one.actor,
        "detail": one.detail,
    }


def page(name: str, rows: Sequence[Json], limit: int, key: str) -> Json:
    """Return a page of a list, and where the next one begins if this one is full."""
    more = len(rows) > limit
    shown = rows[:limit]
    return {name: shown, "next": shown[-1][key] if more else None}

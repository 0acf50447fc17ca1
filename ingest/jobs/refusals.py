"""What callers are told of a job that is in their way."""

import structlog

from ingest.errors import EndNotRecordedError, JobAlreadyRunningError
from ingest.jobs.engine import StillStopping
from ingest.jobs.registry import RunningJob
from ingest.jobs.stack import place_of

_log = structlog.get_logger(__name__)


def still_stopping(running: RunningJob, waited_s: float) -> StillStopping:
    """Return the answer to an abandon whose wait is over, and log where the job stands."""
    log_stuck(running, waited_s)
    return StillStopping(
        running.execution_id,
        waited_s,
        unrecorded=running.unrecorded_because,
        place=place_of(running.work),
    )


def log_stuck(running: RunningJob, waited_s: float) -> None:
    """Warn of a job that was told to stop and has not, with the line where it stands."""
    _log.warning(
        "job has not wound down",
        job=running.instance.name,
        execution=running.execution_id,
        waited_s=waited_s,
        unrecorded=running.unrecorded_because,
        at=place_of(running.work),
    )


def already_running(running: RunningJob) -> JobAlreadyRunningError | EndNotRecordedError:
    """Return why a job cannot be started that is still here."""
    cause = running.unrecorded_because
    if cause is not None:
        return EndNotRecordedError(
            instance_id=running.instance.id, execution_id=running.execution_id, cause=cause
        )
    return JobAlreadyRunningError(
        instance_id=running.instance.id,
        instance_version=running.instance.version,
        job_name=running.instance.name,
        execution_id=running.execution_id,
    )

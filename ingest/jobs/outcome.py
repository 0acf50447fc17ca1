"""How an execution ended, in words: the exit message."""

import asyncio
import traceback
from collections.abc import Sequence

from ingest.errors import IngestError
from ingest.model.job import (
    TRACEBACK_MARK,
    JobStatus,
    Outcome,
    Progress,
    StopAsked,
    StopReason,
    WorkEnd,
    conclude,
)


def outcome(
    work: "asyncio.Task[str]",
    stop_reason: StopReason | None,
    asks: Sequence[StopAsked],
    progress: Progress,
) -> Outcome:
    """Tell how *work*, which is done, ended; *progress* is how far it was."""
    if work.cancelled():
        status = conclude(stop_reason, WorkEnd.CANCELLED)
        if stop_reason is None:
            return Outcome(status, "The job's task was cancelled, though nobody asked to stop it")
        return Outcome(status, _stopped(status, asks, progress))
    error = work.exception()
    if error is None:
        return Outcome(conclude(stop_reason, WorkEnd.RETURNED), work.result())
    status = conclude(stop_reason, WorkEnd.RAISED)
    if status is JobStatus.FAILED:
        return Outcome(status, _failed(error))
    message = f"{_stopped(status, asks, progress)}. While it was stopping: {_failed(error)}"
    return Outcome(status, message)


def _stopped(status: JobStatus, asks: Sequence[StopAsked], progress: Progress) -> str:
    verb = "Abandoned" if status is JobStatus.ABANDONED else "Stopped"
    # Of an abandon and a shutdown that both asked, the abandon is the one that decided.
    decisive = max(one.why for one in asks)
    asked = next(one for one in asks if one.why is decisive)
    at = asked.at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    reason = f" ({asked.ask.reason})" if asked.ask.reason else ""
    total = "an unknown number of" if progress.total is None else str(progress.total)
    return (
        f"{verb} on request of {asked.ask.by}{reason} at {at}: "
        f"{progress.processed} of {total} items processed"
    )


def _failed(error: BaseException) -> str:
    if isinstance(error, IngestError):
        return str(error)
    trace = "".join(traceback.format_exception(error))
    _, _, rest = trace.partition("Traceback (most recent call last):")
    return (
        f"Unexpected {type(error).__name__}: {error}. This is a fault of the service: "
        f"the traceback is in this execution's row{TRACEBACK_MARK}{rest or trace}"
    )

"""What a job execution is, where it can stand, and how it ended.

The vocabulary is Spring Batch's, for the client's documents and runbooks speak it. "Abandoned"
here means: given up on request, after winding down.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import IntEnum, StrEnum
from types import MappingProxyType

from attrs import field, frozen

from ingest.model.plan import PlannedCounts
from ingest.model.traffic import Traffic


@frozen(kw_only=True)
class JobParameters:
    """What a start may ask for beyond the start itself."""

    #: How many items a synchronization may delete; None for what the rule allows.
    allow_deletes: int | None = None
    #: Whether a synchronization only says what it would write.
    is_dry_run: bool = False
    #: Whether a migration goes by the stored documents, without asking the bank.
    from_stored: bool = False

    @property
    def named(self) -> Mapping[str, str]:
        """What was given, by the names that the API has for it."""
        given = {
            "allow-deletes": None if self.allow_deletes is None else str(self.allow_deletes),
            "dry-run": "true" if self.is_dry_run else None,
            "source": "stored" if self.from_stored else None,
        }
        return {name: value for name, value in given.items() if value is not None}


class JobStatus(StrEnum):
    """Where a job execution stands; the values are what the database holds."""

    STARTING = "STARTING"  #: on record; its task has not run yet
    STARTED = "STARTED"  #: working
    STOPPING = "STOPPING"  #: told to stop; not ended yet
    COMPLETED = "COMPLETED"  #: ran to its end
    FAILED = "FAILED"  #: ended with an error
    STOPPED = "STOPPED"  #: the service went away first; the next start may resume it
    ABANDONED = "ABANDONED"  #: given up on request, after winding down; never resumed


RUNNING = frozenset({JobStatus.STARTING, JobStatus.STARTED, JobStatus.STOPPING})
ENDED = frozenset(JobStatus) - RUNNING

#: Every edge there is, and no other: what has ended is never rewritten.
NEXT: Mapping[JobStatus, frozenset[JobStatus]] = MappingProxyType(
    {
        JobStatus.STARTING: ENDED | {JobStatus.STARTED, JobStatus.STOPPING},
        JobStatus.STARTED: ENDED | {JobStatus.STOPPING},
        JobStatus.STOPPING: ENDED,
        **dict.fromkeys(ENDED, frozenset[JobStatus]()),
    }
)

#: From these the next execution goes on where the last one stood.
RESUMABLE = frozenset({JobStatus.STOPPED, JobStatus.FAILED})


def sources(target: JobStatus) -> frozenset[JobStatus]:
    """Return the statuses from which *target* can be reached."""
    return frozenset(status for status in JobStatus if target in NEXT[status])


class ExitCode(StrEnum):
    """Spring Batch's exit codes. There is none for ABANDONED: its executions exit STOPPED."""

    EXECUTING = "EXECUTING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    STOPPED = "STOPPED"


def exit_code(status: JobStatus) -> ExitCode:
    """Return the exit code that goes with a status."""
    if status in RUNNING:
        return ExitCode.EXECUTING
    if status is JobStatus.ABANDONED:
        return ExitCode.STOPPED
    return ExitCode(status.value)


def step_status(status: JobStatus) -> JobStatus:
    """Return what a step becomes when its execution becomes *status*.

    A step is never ABANDONED: in Spring Batch that makes every later run skip it.
    """
    return JobStatus.STOPPED if status is JobStatus.ABANDONED else status


class StopReason(IntEnum):
    """Why an execution was told to stop; a later, higher reason raises an earlier one."""

    SHUTDOWN = 1
    REQUEST = 2


class WorkEnd(StrEnum):
    """What became of the task that did the work."""

    RETURNED = "RETURNED"
    RAISED = "RAISED"
    CANCELLED = "CANCELLED"


@frozen
class Outcome:
    """What is to be recorded of an execution's end."""

    status: JobStatus
    exit_message: str


def conclude(asked: StopReason | None, end: WorkEnd) -> JobStatus:
    """Decide how an execution ended; the only place that does.

    Work that was told to stop and completed all the same is COMPLETED; an error on the way to a
    stop does not make it less of a stop; work cancelled by nobody has FAILED.
    """
    if end is WorkEnd.RETURNED:
        return JobStatus.COMPLETED
    if asked is StopReason.REQUEST:
        return JobStatus.ABANDONED
    if asked is StopReason.SHUTDOWN:
        return JobStatus.STOPPED
    return JobStatus.FAILED


@frozen(kw_only=True)
class JobInstance:
    """One of the jobs there are. Made with the database, so its id never changes."""

    id: int
    version: int
    name: str


@frozen(kw_only=True)
class Counts:
    """How many items of an execution met which fate."""

    #: Items whose document was read from the bank.
    read: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    deleted: int = 0
    #: Items with a problem, read again in this execution or not.
    failed: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            read=self.read + other.read,
            created=self.created + other.created,
            updated=self.updated + other.updated,
            unchanged=self.unchanged + other.unchanged,
            deleted=self.deleted + other.deleted,
            failed=self.failed + other.failed,
        )

    @property
    def written(self) -> int:
        """How many items were created, updated or deleted."""
        return self.created + self.updated + self.deleted


@frozen(kw_only=True)
class Progress:
    """How far an execution is."""

    #: How many items it will go through; None until known.
    total: int | None = None
    processed: int = 0


@frozen
class Ask:
    """A start or a stop that somebody asked for."""

    #: Who: an address, a token's name, a signal.
    by: str
    reason: str | None = None


@frozen
class StopAsked:
    """An ask to stop, and when it came (UTC)."""

    at: datetime
    ask: Ask
    why: StopReason


@frozen(kw_only=True)
class Receipt:
    """What an execution that was told to stop can show for it. Times are UTC."""

    asked_at: datetime
    by: str
    reason: str | None
    #: When the last of the work was over.
    work_ended_at: datetime | None
    #: When that was durably on record.
    recorded_at: datetime | None


class EventName(StrEnum):
    """What an execution's history tells; the values are what the database holds."""

    REQUESTED = "requested"
    STARTED = "started"
    CHECKPOINT_RESUMED = "checkpoint resumed"
    STOP_ASKED = "stop asked"
    ENDED = "ended"
    RECOVERED = "recovered"


@frozen(kw_only=True)
class ExecutionEvent:
    """One line of an execution's history."""

    at: datetime
    event: EventName
    actor: str
    detail: str | None


@frozen(kw_only=True)
class StepExecution:
    """One step of an execution, as Spring Batch counts it."""

    id: int
    name: str
    status: JobStatus
    exit_code: ExitCode
    exit_message: str
    create_time: datetime
    start_time: datetime | None
    end_time: datetime | None
    last_updated: datetime
    commit_count: int
    read_count: int
    filter_count: int
    write_count: int
    process_skip_count: int
    rollback_count: int


@frozen(kw_only=True)
class JobExecution:
    """One run of a job. Times are aware and in UTC."""

    id: int
    version: int
    instance_id: int
    job_name: str
    status: JobStatus
    exit_code: ExitCode
    #: May go on behind its first lines with a traceback: show `exit_summary`.
    exit_message: str
    create_time: datetime
    start_time: datetime | None
    end_time: datetime | None
    last_updated: datetime
    counts: Counts = field(factory=Counts)
    progress: Progress = field(factory=Progress)
    #: What it has asked of the bank, as of its last write.
    traffic: Traffic = field(factory=Traffic)
    steps: tuple[StepExecution, ...] = ()
    #: What the start asked for, by the API's names.
    parameters: Mapping[str, str] = field(factory=dict)
    #: What a dry run has found so far; None for a run that writes.
    planned: PlannedCounts | None = None
    receipt: Receipt | None = None

    @property
    def exit_summary(self) -> str:
        """The exit message without the traceback that an unexpected exception leaves there."""
        return summary(self.exit_message)


#: What stands between an exit message and the traceback behind it.
TRACEBACK_MARK = "\n\nTraceback (most recent call last):"


def summary(exit_message: str) -> str:
    """Return what stands before the traceback in an exit message."""
    return exit_message.partition(TRACEBACK_MARK)[0]

"""Every error the service raises on purpose.

What an error means over HTTP is decided in ``ingest.api.errors`` and nowhere else; a test holds
the two lists against each other.
"""

from typing import ClassVar


class IngestError(Exception):
    """Something that a caller can be told; the message names the thing, the value, the way out."""

    code: ClassVar[str] = "ingest_error"

    @property
    def members(self) -> dict[str, object]:
        """The ids the error speaks of, by the names the API uses for them."""
        return {}


class InvalidValueError(IngestError):
    """A value of the caller's that cannot be used."""

    code = "invalid_value"


class ConfigurationError(IngestError):
    """A setting that cannot be used: unknown, of the wrong type, or naming what is not there."""

    code = "configuration"


class JobInstanceNotFoundError(IngestError):
    """No job instance has this id."""

    code = "job_instance_not_found"

    def __init__(self, instance_id: int) -> None:
        super().__init__(f"Could not find job instance for instance id {instance_id}")
        self.instance_id = instance_id

    @property
    def members(self) -> dict[str, object]:  # noqa: D102
        return {"jobInstanceId": self.instance_id}


class JobExecutionNotFoundError(IngestError):
    """No job execution has this id."""

    code = "job_execution_not_found"

    def __init__(self, execution_id: int) -> None:
        super().__init__(f"Could not find job execution for execution id {execution_id}")
        self.execution_id = execution_id

    @property
    def members(self) -> dict[str, object]:  # noqa: D102
        return {"jobExecutionId": self.execution_id}


class NotADryRunError(IngestError):
    """What a dry run has planned was asked for of an execution that writes."""

    code = "not_a_dry_run"

    def __init__(self, execution_id: int) -> None:
        super().__init__(
            f"Job execution {execution_id} is no dry run, so it has planned nothing: what it has "
            "written is in item_log. A dry run is started by POST /sync?dry-run=true"
        )
        self.execution_id = execution_id

    @property
    def members(self) -> dict[str, object]:  # noqa: D102
        return {"jobExecutionId": self.execution_id}


class JobAlreadyRunningError(IngestError):
    """A start was asked for while an execution of the job has not truly ended."""

    code = "job_already_running"

    def __init__(
        self, *, instance_id: int, instance_version: int, job_name: str, execution_id: int
    ) -> None:
        super().__init__(
            "A job execution for this job is already running: "
            f"JobInstance: id={instance_id}, version={instance_version}, Job=[{job_name}].  "
            "To abandon the running execution of this job, "
            "make a PUT call to /abandon, passing in the job instance id"
        )
        self.instance_id = instance_id
        self.execution_id = execution_id

    @property
    def members(self) -> dict[str, object]:  # noqa: D102
        return {"jobInstanceId": self.instance_id, "jobExecutionId": self.execution_id}


class EndNotRecordedError(IngestError):
    """The last execution's work is over, but its end could not be written yet."""

    code = "end_not_recorded"

    def __init__(self, *, instance_id: int, execution_id: int, cause: str) -> None:
        super().__init__(
            f"The work of job execution {execution_id} is over, but its end could not be written "
            f"to the database yet ({cause}). The service keeps trying; start again once the "
            "database can be written"
        )
        self.instance_id = instance_id
        self.execution_id = execution_id

    @property
    def members(self) -> dict[str, object]:  # noqa: D102
        return {"jobInstanceId": self.instance_id, "jobExecutionId": self.execution_id}


class ExecutionNotRunningError(IngestError):
    """An abandon named an execution that is not the one running."""

    code = "execution_not_running"

    def __init__(self, *, instance_id: int, asked: int, running: int | None) -> None:
        what_runs = "none is running" if running is None else f"{running} is running"
        super().__init__(
            f"Job execution {asked} of job instance {instance_id} is not running: {what_runs}. "
            "Nothing was stopped"
        )
        self.instance_id = instance_id
        self.running = running

    @property
    def members(self) -> dict[str, object]:  # noqa: D102
        return {"jobInstanceId": self.instance_id, "jobExecutionId": self.running}


class IllegalTransitionError(IngestError):
    """A job execution was to go where its status does not lead; the row stays as it is."""

    code = "illegal_transition"

    def __init__(self, *, execution_id: int, target: str) -> None:
        super().__init__(
            f"Job execution {execution_id} cannot become {target}: "
            "it has ended, or somebody else has changed its row"
        )
        self.execution_id = execution_id


class FencedError(IngestError):
    """A job tried to write after its execution had lost the right to."""

    code = "fenced"

    def __init__(self, execution_id: int) -> None:
        super().__init__(
            f"Job execution {execution_id} may not write any more: it was told to stop and its "
            "grace is over, or it is no longer on record as running here"
        )
        self.execution_id = execution_id


class ServiceStoppingError(IngestError):
    """The service is shutting down and starts nothing new."""

    code = "service_stopping"

    def __init__(self) -> None:
        super().__init__("The service is shutting down and starts no job; try again in a moment")


class StartPendingError(IngestError):
    """A start of the job has been waiting for the database, and what comes of it is not known."""

    code = "start_pending"

    def __init__(self, *, instance_id: int, job_name: str, waited_s: float) -> None:
        super().__init__(
            f"A start of {job_name} is waiting for the database, and has not come through within "
            f"{waited_s:g} seconds: nothing was done. Try again in a moment"
        )
        self.instance_id = instance_id

    @property
    def members(self) -> dict[str, object]:  # noqa: D102
        return {"jobInstanceId": self.instance_id}


class DatabaseInUseError(IngestError):
    """Another process owns the database."""

    code = "database_in_use"


class DatabaseVersionError(IngestError):
    """The database is not as this version of the service needs it: newer, or changed by hand."""

    code = "database_version"


class BackupError(IngestError):
    """A backup was not made: something is in its way, or it cannot be written, or is damaged."""

    code = "backup"


class DatabaseUnavailableError(IngestError):
    """The database cannot be read or written now: locked, full, read-only, or gone.

    Attributes:
        is_passing: Whether the same may well succeed later, as soon as a lock is released, room
            is made, a disk answers again. Not so for a database that is damaged, say.
    """

    code = "database_unavailable"

    def __init__(self, message: str, *, is_passing: bool = False) -> None:
        super().__init__(message)
        self.is_passing = is_passing


class ItemNotFoundError(IngestError):
    """Neither the item bank nor the database knows this item."""

    code = "item_not_found"

    def __init__(self, item_id: str, *, where: str = "the item database") -> None:
        super().__init__(f"Could not find item {item_id} in {where}")
        self.item_id = item_id

    @property
    def members(self) -> dict[str, object]:  # noqa: D102
        return {"itemId": self.item_id}


class ItemProblemError(IngestError):
    """The item bank's version of an item cannot be ingested."""

    code = "item_problem"

    def __init__(self, item_id: str, *, kind: str, message: str) -> None:
        super().__init__(f"Item {item_id} cannot be ingested: {kind}: {message}")
        self.item_id = item_id
        self.kind = kind

    @property
    def members(self) -> dict[str, object]:  # noqa: D102
        return {"itemId": self.item_id, "kind": self.kind}


class BankUnavailableError(IngestError):
    """The item bank cannot be reached, or its listing has a gap."""

    code = "bank_unavailable"


class HookRefusedError(IngestError):
    """The bank does not let this service be told of pushes to an item."""

    code = "hook_refused"

    def __init__(self, item_id: str, *, reason: str) -> None:
        super().__init__(
            f"The item bank does not let a push hook be made for item {item_id}: {reason}"
        )
        self.item_id = item_id


class DeleteGuardError(IngestError):
    """More items are missing from the bank than may be deleted without a person's word."""

    code = "delete_guard"


class JobFailedError(IngestError):
    """A job cannot go on, for a reason that the message tells whole."""

    code = "job_failed"


class JobDidNotCompleteError(IngestError):
    """A command waited for an execution that ended otherwise than COMPLETED."""

    code = "job_did_not_complete"


class ServiceUnreachableError(IngestError):
    """A command found no service at the address it was given, or one that refused."""

    code = "service_unreachable"

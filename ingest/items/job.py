"""What a job is to those who run it, and what it is given to run with."""

from typing import Protocol

from attrs import field, frozen

from ingest.model.job import JobParameters
from ingest.storage.database import Transactions
from ingest.storage.writer import ExecutionWriter


@frozen(kw_only=True)
class JobRun:
    """What one execution works with."""

    #: The only way to write.
    writer: ExecutionWriter
    #: Where to read; what the database refuses for now is tried again.
    database: Transactions
    #: Where an execution that ended early stood, as the job wrote it; None to begin anew.
    checkpoint: str | None = None
    parameters: JobParameters = field(factory=JobParameters)


class Job(Protocol):
    """A kind of work that can be started, looked at and abandoned."""

    @property
    def name(self) -> str:
        """The name of its job instance."""

    @property
    def step_name(self) -> str:
        """The name of its one step."""

    @property
    def resumable(self) -> bool:
        """Whether an execution may go on where one that STOPPED or FAILED stood."""

    async def run(self, run: JobRun) -> str:
        """Do the work; return the exit message of its success.

        Cancelled, it begins nothing new, lets what is being written be written whole, leaves no
        thread and no request at work, and raises the cancellation on.

        Raises:
            IngestError: What a person can act on; its message becomes the exit message.
        """

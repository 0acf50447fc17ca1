"""The fence: the one way in which a running job writes."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any, Final

import structlog
from sqlalchemy import Connection, case, insert, select, update

from ingest.errors import DatabaseUnavailableError, FencedError
from ingest.model.job import RUNNING, Counts
from ingest.model.traffic import Meter
from ingest.storage.database import Transactions
from ingest.storage.patience import Patience
from ingest.storage.tables import (
    job_execution,
    job_execution_context,
    job_execution_progress,
    step_execution,
)
from ingest.storage.transitions import traffic_values, utc_now

_log = structlog.get_logger(__name__)

_NO_COUNTS: Final = Counts()

#: Is told what a committed write has added to the counts, how many items it was for, and how many
#: there are, where that became known.
OnWritten = Callable[[Counts, int, int | None], None]


class ExecutionWriter:
    """Writes a job's rows together with the counts they change, behind the fence.

    Each write is one transaction that also updates the execution's row where it is still running
    and still *owner*'s. Where that hits no row nothing is written: so a job that ignored its
    cancellation, or a process that slept through its own end, cannot write after an answer.

    Args:
        database: Where to write; each attempt is a transaction of its own.
        execution_id: For whom.
        owner: What stands in the execution's row while this one may write.
        patience: How long a write is tried; None for once.
        meter: Counts what is asked of the bank for this execution; put on record with each write.
        on_written: Called after each write, in the event loop; must not raise.
    """

    def __init__(
        self,
        database: Transactions,
        *,
        execution_id: int,
        owner: str,
        patience: Patience | None = None,
        meter: Meter | None = None,
        on_written: OnWritten = lambda *_: None,
    ) -> None:
        self.execution_id = execution_id
        self._database = database
        self._owner = owner
        self._patience = patience or Patience(0)
        self._meter = meter or Meter()
        self._on_written = on_written
        #: The fence. Transactions run in a thread of their own, so a lock stands between a
        #: transaction that passes and a caller that closes.
        self._fence = threading.Lock()
        self._revoked = False
        #: Set while a commit is under way, past the point where the fence could stop it.
        self._passed = False
        #: Set whenever none is.
        self._settled = asyncio.Event()
        self._settled.set()
        self._closing: asyncio.Task[None] | None = None
        self._rollbacks = 0

    async def write(
        self,
        work: Callable[[Connection], Counts] | None = None,
        *,
        processed: int = 0,
        counts: Counts = _NO_COUNTS,
        total: int | None = None,
        checkpoint: str | None = None,
    ) -> None:
        """Write rows, counts, progress and checkpoint: all of it or nothing.

        Args:
            work: Writes the rows, and returns what they add to the counts.
            processed: How many items are done with this write.
            counts: What else is to be added to the counts.
            total: How many items there are, once known.
            checkpoint: Where the next execution may go on, as JSON.

        Raises:
            FencedError: This execution may not write any more.
            DatabaseUnavailableError: As `Database.write`, for longer than the patience lasts.
        """
        commits_before: int | None = None
        added = counts

        def transaction(connection: Connection) -> None:
            nonlocal commits_before, added
            commits = self._commits(connection)
            if commits_before is None:
                commits_before = commits
            elif commits != commits_before:
                return  # the last attempt was committed, though its answer was an error
            self._claim(connection)
            added = counts if work is None else counts + work(connection)
            self._add(connection, added, processed, total)
            if checkpoint is not None:
                self._save(connection, checkpoint)
            self._pass()

        await self._patience.keep_trying(lambda: self._attempt(transaction))
        self._rollbacks = 0
        self._on_written(added, processed, total)

    async def revoke(self) -> None:
        """Close the fence: on return nothing more can be written for this execution.

        Waits for a commit that is under way, and for nothing else: in this process the fence is
        closed at once. That it is closed is put on record behind the caller's back, for a
        database that is locked must not keep an answer waiting.
        """
        with self._fence:
            self._revoked = True
            is_committing = self._passed
        if is_committing:
            await self._settled.wait()
        if self._closing is None:
            self._closing = asyncio.create_task(self._close_on_record())

    async def settle(self) -> None:
        """Wait until nothing of `revoke` is under way any more."""
        if self._closing is not None:
            await asyncio.wait({self._closing})

    async def _close_on_record(self) -> None:
        def work(connection: Connection) -> None:
            connection.execute(
                update(job_execution)
                .where(
                    job_execution.c.job_execution_id == self.execution_id,
                    job_execution.c.status.in_(RUNNING),
                )
                .values(owner="", version=job_execution.c.version + 1)
            )

        try:
            await self._database.write(work)
        except DatabaseUnavailableError as error:
            _log.warning("fence closed in memory only", reason=str(error))

    async def _attempt(self, transaction: Callable[[Connection], None]) -> None:
        self._settled.clear()
        try:
            await self._database.write(transaction)
        except Exception:
            self._rollbacks += 1
            raise
        finally:
            self._passed = False
            self._settled.set()

    def _pass(self) -> None:
        with self._fence:
            if self._revoked:
                raise FencedError(self.execution_id)
            self._passed = True

    def _commits(self, connection: Connection) -> int:
        """Return how many of this execution's writes are on record; -1 before its first step."""
        query = select(step_execution.c.commit_count).where(
            step_execution.c.job_execution_id == self.execution_id
        )
        commits = connection.execute(query).scalar()
        return -1 if commits is None else commits

    def _claim(self, connection: Connection) -> None:
        now, last = utc_now(), job_execution.c.last_updated
        claimed = connection.execute(
            update(job_execution)
            .where(
                job_execution.c.job_execution_id == self.execution_id,
                job_execution.c.owner == self._owner,
                job_execution.c.owner != "",
                job_execution.c.status.in_(RUNNING),
            )
            # A clock that stepped back must not take the row back with it.
            .values(
                version=job_execution.c.version + 1,
                last_updated=case((last > now, last), else_=now),
            )
        )
        if self._revoked or claimed.rowcount != 1:
            raise FencedError(self.execution_id)

    def _add(
        self, connection: Connection, added: Counts, processed: int, total: int | None
    ) -> None:
        progress = job_execution_progress.c
        values: dict[str, Any] = {
            "processed": progress.processed + processed,
            "read": progress.read + added.read,
            "created": progress.created + added.created,
            "updated": progress.updated + added.updated,
            "unchanged": progress.unchanged + added.unchanged,
            "deleted": progress.deleted + added.deleted,
            "failed": progress.failed + added.failed,
            **traffic_values(self._meter.traffic),
        }
        if total is not None:
            values["total"] = total
        connection.execute(
            update(job_execution_progress)
            .where(progress.job_execution_id == self.execution_id)
            .values(values)
        )
        step = step_execution.c
        connection.execute(
            update(step_execution)
            .where(step.job_execution_id == self.execution_id, step.status.in_(RUNNING))
            .values(
                version=step.version + 1,
                last_updated=utc_now(),
                commit_count=step.commit_count + 1,
                read_count=step.read_count + added.read,
                filter_count=step.filter_count + added.unchanged,
                write_count=step.write_count + added.written,
                process_skip_count=step.process_skip_count + added.failed,
                rollback_count=step.rollback_count + self._rollbacks,
            )
        )

    def _save(self, connection: Connection, checkpoint: str) -> None:
        saved = connection.execute(
            update(job_execution_context)
            .where(job_execution_context.c.job_execution_id == self.execution_id)
            .values(checkpoint=checkpoint)
        )
        if saved.rowcount == 0:
            connection.execute(
                insert(job_execution_context).values(
                    job_execution_id=self.execution_id, checkpoint=checkpoint
                )
            )

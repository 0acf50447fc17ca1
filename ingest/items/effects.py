"""What a synchronization does about what it finds: writes it, or only says what it would write."""

from collections.abc import Callable, Collection, Sequence
from typing import Protocol

import structlog
from attrs import define
from sqlalchemy import Connection

from ingest.items.job import JobRun
from ingest.items.writing import Batch, log_saved
from ingest.model.job import Counts
from ingest.model.plan import PlannedChange
from ingest.storage.deletions import (
    Withheld,
    settle_withheld,
    unsettled_deletions,
    withhold_deletions,
)
from ingest.storage.items import (
    Saved,
    delete_items,
    forget_problems,
    move_items,
    save_items,
    stored_revisions,
)
from ingest.storage.monitoring import mark_monitored
from ingest.storage.plans import plan_changes
from ingest.storage.problems import record_problems
from ingest.storage.scans import begin_scan, end_scan, keep_cursor

_log = structlog.get_logger(__name__)


class Effects(Protocol):
    """Where a synchronization's findings go, all of it through the fence."""

    async def begin_scan(self) -> None:
        """Take note that the listing begins."""

    async def end_scan(self, *, seen: int, complete: bool) -> None:
        """Take note of how the listing has ended."""

    async def keep_cursor(self, cursor: str) -> None:
        """Take note of where the next listing may go on from."""

    async def save(self, batch: Batch, total: int | None) -> None:
        """Create, update, or reject the items of a batch."""

    async def delete(self, item_ids: Sequence[int]) -> None:
        """Delete items that are certainly absent from the bank."""

    async def withhold(self, withheld: Withheld) -> bool:
        """Take note of deletions that nobody has allowed; return whether the job may go on."""

    async def allow(self) -> None:
        """Take note that no deletions are withheld any more."""

    async def forget(self, keys: Collection[str]) -> None:
        """Forget the problems of items that the bank does not have any more."""

    async def monitored(self, keys: Sequence[str]) -> None:
        """Take note that the bank tells of pushes to these items."""

    def message(self, listed: int, *, to_monitor: int) -> str:
        """Return the exit message of a synchronization that came to its end.

        Args:
            listed: How many entries the bank has listed.
            to_monitor: Of how many items it did not tell of their pushes.
        """


@define
class Applied:
    """What is found is written."""

    run: JobRun
    deleted: int = 0
    last_written: int = 0

    async def begin_scan(self) -> None:
        """See `Effects.begin_scan`."""
        execution_id = self.run.writer.execution_id
        await _write(self.run, lambda c: begin_scan(c, execution_id=execution_id))

    async def end_scan(self, *, seen: int, complete: bool) -> None:
        """See `Effects.end_scan`."""
        execution_id = self.run.writer.execution_id
        await _write(
            self.run,
            lambda c: end_scan(c, execution_id=execution_id, seen=seen, complete=complete),
        )

    async def keep_cursor(self, cursor: str) -> None:
        """See `Effects.keep_cursor`."""
        execution_id = self.run.writer.execution_id
        await _write(self.run, lambda c: keep_cursor(c, execution_id=execution_id, cursor=cursor))

    async def save(self, batch: Batch, total: int | None) -> None:
        """See `Effects.save`."""
        saved: list[Saved] = []

        def work(connection: Connection) -> Counts:
            saved[:] = [
                save_items(connection, batch.writes, execution_id=self.run.writer.execution_id)
            ]
            move_items(connection, batch.moved)
            well = {*batch.healed, *(one.ingested.key for one in batch.writes)}
            # An item that is well may be there twice, which is the other one's problem.
            forget_problems(connection, well.difference(one.key for one in batch.rejected))
            record_problems(connection, batch.rejected)
            return saved[0].counts + batch.counts

        await self.run.writer.write(work, processed=batch.processed, total=total)
        log_saved(saved[0])
        if batch.writes:
            self.last_written = batch.writes[-1].ingested.row.id

    async def delete(self, item_ids: Sequence[int]) -> None:
        """See `Effects.delete`. What has changed since it was looked at is left alone."""
        keys = [str(item_id) for item_id in item_ids]
        stored = await self.run.database.read(lambda c: stored_revisions(c, keys))
        expected = {int(key): revision.revision for key, revision in stored.items()}
        deleted: list[int] = []

        def work(connection: Connection) -> Counts:
            deleted[:] = delete_items(connection, expected)
            return Counts(deleted=len(deleted))

        await self.run.writer.write(work)
        self.deleted += len(deleted)
        for item_id in deleted:
            _log.info(
                "ITEM_DELETED", item_id=item_id, bank_key=str(item_id), commit=expected[item_id]
            )

    async def withhold(self, withheld: Withheld) -> bool:
        """See `Effects.withhold`. The job is to end there: a person has to say a word."""
        execution_id = self.run.writer.execution_id
        await _write(self.run, lambda c: withhold_deletions(c, execution_id, withheld))
        return False

    async def allow(self) -> None:
        """See `Effects.allow`."""
        execution_id = self.run.writer.execution_id
        if await self.run.database.read(unsettled_deletions) is not None:
            await _write(self.run, lambda c: settle_withheld(c, execution_id))

    async def forget(self, keys: Collection[str]) -> None:
        """See `Effects.forget`."""
        await _write(self.run, lambda c: forget_problems(c, keys))

    async def monitored(self, keys: Sequence[str]) -> None:
        """See `Effects.monitored`."""
        await _write(self.run, lambda c: mark_monitored(c, keys))

    def message(self, listed: int, *, to_monitor: int) -> str:
        """See `Effects.message`. The words are the client's."""
        return (
            f"Total item bank ids: {listed}, "
            f"number of items requiring project webhook: {to_monitor}, "
            f"number of items deleted from IMRT: {self.deleted}, "
            f"last item processed {self.last_written}"
        )


@define
class Planned:
    """A dry run: what is found is put down as what would be written, and no item is touched."""

    run: JobRun
    created: int = 0
    updated: int = 0
    deleted: int = 0
    failed: int = 0
    withheld: Withheld | None = None

    async def begin_scan(self) -> None:
        """See `Effects.begin_scan`. The scans on record are those of real synchronizations."""

    async def end_scan(self, *, seen: int, complete: bool) -> None:
        """See `Effects.end_scan`."""

    async def keep_cursor(self, cursor: str) -> None:
        """See `Effects.keep_cursor`."""

    async def save(self, batch: Batch, total: int | None) -> None:
        """See `Effects.save`."""
        changes = {
            one.ingested.row.id: (
                PlannedChange.CREATED if one.replaces is None else PlannedChange.UPDATED
            )
            for one in batch.writes
        }
        await self._plan(changes, batch.counts, batch.processed, total)
        created = sum(change is PlannedChange.CREATED for change in changes.values())
        self.created += created
        self.updated += len(changes) - created
        self.failed += batch.counts.failed

    async def delete(self, item_ids: Sequence[int]) -> None:
        """See `Effects.delete`."""
        await self._plan(dict.fromkeys(item_ids, PlannedChange.DELETED), Counts(), 0, None)
        self.deleted += len(item_ids)

    async def withhold(self, withheld: Withheld) -> bool:
        """See `Effects.withhold`. A dry run says so, and goes on to say which they are."""
        self.withheld = withheld
        return True

    async def allow(self) -> None:
        """See `Effects.allow`. Only a real synchronization settles that."""

    async def forget(self, keys: Collection[str]) -> None:
        """See `Effects.forget`."""

    async def monitored(self, keys: Sequence[str]) -> None:
        """See `Effects.monitored`."""

    def message(self, listed: int, *, to_monitor: int) -> str:
        """See `Effects.message`."""
        del to_monitor  # a dry run makes no hooks, and so does not look for them
        planned = self.created + self.updated + self.deleted
        verdict = "in step" if planned + self.failed == 0 else "not in step"
        message = (
            f"Dry run, no item was written: the database is {verdict} with the item bank. "
            f"Total item bank ids: {listed}, to be created: {self.created}, "
            f"to be updated: {self.updated}, to be deleted: {self.deleted}, "
            f"with a problem: {self.failed}"
        )
        if self.withheld is not None:
            message += f". A synchronization would FAIL: {self.withheld}"
        return message

    async def _plan(
        self,
        changes: dict[int, PlannedChange],
        counts: Counts,
        processed: int,
        total: int | None,
    ) -> None:
        execution_id = self.run.writer.execution_id

        def work(connection: Connection) -> Counts:
            plan_changes(connection, execution_id, changes)
            return counts

        await self.run.writer.write(work, processed=processed, total=total)


async def _write(run: JobRun, work: Callable[[Connection], None]) -> None:
    def without_counts(connection: Connection) -> Counts:
        work(connection)
        return Counts()

    await run.writer.write(without_counts)

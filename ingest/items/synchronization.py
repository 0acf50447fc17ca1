"""The synchronization job: bring the database in step with the item bank."""

import re
from array import array
from bisect import bisect_left
from collections.abc import Callable, Sequence
from contextlib import aclosing
from functools import partial
from typing import Final

import structlog
from attrs import define, field
from sqlalchemy import Connection

from ingest.bank.base import ItemBank, Listing
from ingest.errors import DeleteGuardError
from ingest.items.comparison import Comparison, compare
from ingest.items.derivation import derive
from ingest.items.job import JobRun
from ingest.items.writing import Batch, WriteBehind, log_saved
from ingest.model.item import ITEM_ID_MAX
from ingest.model.job import Counts
from ingest.storage.item_queries import item_count
from ingest.storage.items import (
    Saved,
    delete_items,
    forget_problems,
    item_ids,
    save_items,
    stored_revisions,
)
from ingest.storage.problems import problem_keys, record_problems
from ingest.storage.scans import begin_scan, end_scan

_log = structlog.get_logger(__name__)

_ID: Final = re.compile(r"[1-9][0-9]*", re.ASCII)

#: Deletes that need nobody's word: this many, or this share of all items if that is more.
DELETES_ALLOWED: Final = 10
DELETES_ALLOWED_SHARE: Final = 0.05

#: How many stored items are looked at together.
PAGE_ITEMS: Final = 1000


class Synchronization:
    """Lists the bank, reads what has changed, writes it, and deletes what is certainly gone."""

    name = "itemSynchronizationJob"
    step_name = "itemSynchronizationStep"
    resumable = False

    def __init__(self, bank: ItemBank) -> None:
        self._bank = bank

    async def run(self, run: JobRun) -> str:
        """See `Job.run`."""
        one = _Run(bank=self._bank, run=run)
        await one.ingest()
        await one.delete()
        await one.tidy()
        return (
            f"Total item bank ids: {len(one.seen) + len(one.seen_oddly)}, "
            "number of items requiring project webhook: 0, "
            f"number of items deleted from IMRT: {one.deleted}, "
            f"last item processed {one.last_written}"
        )


@define(kw_only=True)
class _Run:
    """One synchronization under way."""

    bank: ItemBank
    run: JobRun
    #: The ids listed, compactly: a bank may have very many.
    seen: "array[int]" = field(factory=lambda: array("q"))
    #: Keys listed that are no ids.
    seen_oddly: set[str] = field(factory=set)
    batch: Batch = field(factory=Batch)
    last_written: int = 0
    deleted: int = 0

    async def ingest(self) -> None:
        """List the bank to its end, and write whatever has changed."""
        execution_id = self.run.writer.execution_id
        await self._write_scan(lambda c: begin_scan(c, execution_id=execution_id))
        scan = self.bank.scan()
        async with WriteBehind() as behind, aclosing(scan.__aiter__()) as slices:
            async for listings in slices:
                self._note(listings)
                await self._take(listings, behind, scan.total)
                await self._flush(behind, scan.total)
            await behind.put(self._write(self.batch, len(self.seen) + len(self.seen_oddly)))
            await behind.settle()
        complete, seen = scan.complete, len(self.seen) + len(self.seen_oddly)
        await self._write_scan(
            lambda c: end_scan(c, execution_id=execution_id, seen=seen, complete=complete)
        )

    async def delete(self) -> None:
        """Delete the stored items that the bank certainly does not have any more.

        Raises:
            DeleteGuardError: They are more than may be deleted without a person's word.
        """
        missing = await self._missing()
        if not missing:
            return
        self._guard(len(missing), await self.run.database.read(item_count))
        for begin in range(0, len(missing), PAGE_ITEMS):
            page = missing[begin : begin + PAGE_ITEMS]
            gone = [id_ for id_ in page if await self.bank.head(str(id_)) is None]
            await self._delete_page(gone)

    async def tidy(self) -> None:
        """Forget the problems of items that the bank does not have any more."""
        stale = [
            key for key in await self.run.database.read(problem_keys) if not self._was_listed(key)
        ]
        if stale:
            await self._write_scan(lambda connection: forget_problems(connection, stale))

    def _note(self, listings: Sequence[Listing]) -> None:
        for listing in listings:
            item_id = _id_of(listing.key)
            if item_id is None:
                self.seen_oddly.add(listing.key)
            else:
                self.seen.append(item_id)

    async def _take(
        self, listings: Sequence[Listing], behind: WriteBehind, total: int | None
    ) -> None:
        found = await self.run.database.read(lambda connection: compare(connection, listings))
        self._count(found)
        facts = found.facts
        changes = self.bank.read_changes(
            found.wanted, lambda history: derive(history, facts.get(history.key))
        )
        async with aclosing(changes) as slices:
            async for derived in slices:
                for one in derived:
                    self.batch.add(one, found.replaces(one.key))
                await self._flush(behind, total)

    def _count(self, found: Comparison) -> None:
        batch = self.batch
        batch.rejected.extend(found.rejected)
        batch.healed.extend(found.healed)
        batch.unchanged += found.unchanged
        batch.still_bad += found.still_bad
        batch.processed += len(found.rejected) + found.unchanged + found.still_bad

    async def _flush(self, behind: WriteBehind, total: int | None) -> None:
        if self.batch.due:
            batch, self.batch = self.batch, Batch()
            await behind.put(self._write(batch, total))

    async def _write(self, batch: Batch, total: int | None) -> None:
        saved: list[Saved] = []

        def work(connection: Connection) -> Counts:
            saved[:] = [
                save_items(connection, batch.writes, execution_id=self.run.writer.execution_id)
            ]
            record_problems(connection, batch.rejected)
            forget_problems(
                connection, [*batch.healed, *(one.ingested.key for one in batch.writes)]
            )
            return saved[0].counts + batch.counts

        await self.run.writer.write(work, processed=batch.processed, total=total)
        log_saved(saved[0])
        if batch.writes:
            self.last_written = batch.writes[-1].ingested.row.id

    async def _write_scan(self, work: Callable[[Connection], None]) -> None:
        def without_counts(connection: Connection) -> Counts:
            work(connection)
            return Counts()

        await self.run.writer.write(without_counts)

    def _was_listed(self, key: str) -> bool:
        item_id = _id_of(key)
        return key in self.seen_oddly if item_id is None else self._was_seen(item_id)

    def _was_seen(self, item_id: int) -> bool:
        index = bisect_left(self.seen, item_id)
        return index < len(self.seen) and self.seen[index] == item_id

    async def _missing(self) -> list[int]:
        self.seen = array("q", sorted(self.seen))
        missing: list[int] = []
        after = 0
        while True:
            ids = await self.run.database.read(partial(item_ids, after=after, limit=PAGE_ITEMS))
            if not ids:
                return missing
            missing += [id_ for id_ in ids if not self._was_seen(id_)]
            after = ids[-1]

    def _guard(self, missing: int, stored: int) -> None:
        allowed = self.run.parameters.allow_deletes
        if allowed is None:
            share = int(stored * DELETES_ALLOWED_SHARE)
            # A bank that lists nothing is more likely gone than empty.
            allowed = max(DELETES_ALLOWED, share) if len(self.seen) else 0
        if missing > allowed:
            raise DeleteGuardError(
                f"{missing} of {stored} items are not in the item bank any more, and {allowed} "
                "may be deleted without a person's word: nothing was deleted, everything else "
                "stands. If they are gone for good, "
                f"start again with POST /sync?allow-deletes={missing}"
            )

    async def _delete_page(self, gone: Sequence[int]) -> None:
        stored = await self.run.database.read(
            lambda c: stored_revisions(c, [str(item_id) for item_id in gone])
        )
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


def _id_of(key: str) -> int | None:
    """Return the id that a key stands for; None for what stands for none, such as 007."""
    if _ID.fullmatch(key) is None or len(key) > len(str(ITEM_ID_MAX)):
        return None
    item_id = int(key)
    return item_id if item_id <= ITEM_ID_MAX else None

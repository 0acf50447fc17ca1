"""The migration job: re-derive every item's row under the rules of today."""

from collections.abc import Mapping, Sequence
from contextlib import aclosing, closing
from functools import partial
from typing import Final

import orjson
import structlog
from attrs import define, field
from sqlalchemy import Connection

from ingest.bank.base import ItemBank, Wanted
from ingest.items.comparison import compare_with
from ingest.items.derivation import derive
from ingest.items.job import JobRun
from ingest.items.rederivation import rederive_stored
from ingest.items.writing import Batch, WriteBehind, log_saved
from ingest.model.item import ITEM_ID_MAX, Ingested, Rejected
from ingest.model.job import Counts
from ingest.slices import Slice, Slices
from ingest.storage.item_queries import item_count
from ingest.storage.items import (
    Saved,
    StoredItem,
    forget_problems,
    item_ids,
    load_items,
    save_items,
    stored_facts,
)
from ingest.storage.problems import record_problems
from ingest.storage.scans import last_cursor

_log = structlog.get_logger(__name__)

#: Items that are re-derived and committed together; the checkpoint moves by as many.
PAGE_ITEMS: Final = 200


class Migration:
    """Goes through all items by ascending id, and saves how far it is with every commit.

    An item whose stored revision is still the bank's is derived from the stored document, any
    other from the bank; what the bank has and the database has not is read as well. An item
    absent from the bank is derived from what is stored: deleting is the synchronization's.
    """

    name = "itemMigrationJob"
    step_name = "itemMigrationStep"
    resumable = True

    def __init__(self, bank: ItemBank) -> None:
        self._bank = bank

    async def run(self, run: JobRun) -> str:
        """See `Job.run`."""
        with closing(Slices(threads=1)) as slices:
            one = _Run(bank=self._bank, run=run, slices=slices)
            if run.checkpoint is not None:
                one.after = _after(run.checkpoint)
            if not run.parameters.from_stored:
                await one.determine()
            await one.migrate()
        return f"Total item bank ids: {one.listed}, number of errors encountered: {one.errors}"


@define(kw_only=True)
class _Run:
    """One migration under way."""

    bank: ItemBank
    run: JobRun
    slices: Slices
    #: Ids up to this one are done.
    after: int = 0
    #: What the bank has at another revision than the database, by id.
    changed: dict[int, Wanted] = field(factory=dict)
    #: The stored revisions of those, where they are stored.
    replaces: dict[int, str] = field(factory=dict)
    listed: int = 0
    listed_and_stored: int = 0
    errors: int = 0

    async def determine(self) -> None:
        """List the bank to its end, before any row is touched.

        Raises:
            BankUnavailableError: It cannot be listed; the migration would go by half the truth.
        """
        rejected: list[Rejected] = []
        healed: list[str] = []
        still_bad = 0
        since = await self.run.database.read(last_cursor)
        async with aclosing(self.bank.scan(since).__aiter__()) as slices:
            async for listings in slices:
                found = await compare_with(self.bank, self.run.database, listings)
                self.listed += len(listings)
                self.listed_and_stored += len(found.stored)
                for one in found.wanted:
                    self.changed[int(one.key)] = one
                    if one.key in found.stored:
                        self.replaces[int(one.key)] = found.stored[one.key].revision
                rejected += found.rejected
                healed += found.healed
                still_bad += found.still_bad
        await self._write(Batch(rejected=rejected, healed=healed, still_bad=still_bad))

    async def migrate(self) -> None:
        """Re-derive page by page."""
        await self._announce()
        async with WriteBehind() as behind:
            while ids := await self._next_ids():
                batch = await self._derive(ids)
                self.after = ids[-1]
                await behind.put(self._write(batch, after=self.after))

    async def _announce(self) -> None:
        """Say how many items there are, and how many an earlier execution has done."""
        stored, done = await self.run.database.read(
            lambda c: (item_count(c), item_count(c, up_to=self.after))
        )
        new = [id_ for id_ in self.changed if id_ not in self.replaces]
        done += sum(id_ <= self.after for id_ in new)
        # What is listed, and neither stored nor to be read, was seen to with the listing.
        done += self.listed - self.listed_and_stored - len(new)
        total = self.listed + stored - self.listed_and_stored
        await self.run.writer.write(processed=done, total=total)

    async def _next_ids(self) -> list[int]:
        after = self.after
        ids = await self.run.database.read(lambda c: item_ids(c, after=after, limit=PAGE_ITEMS))
        # A page that is not full is the last one: whatever is only in the bank comes with it.
        last = ids[-1] if len(ids) == PAGE_ITEMS else ITEM_ID_MAX
        new = [id_ for id_ in self.changed if after < id_ <= last and id_ not in self.replaces]
        return sorted({*ids, *new})[:PAGE_ITEMS]

    async def _derive(self, ids: Sequence[int]) -> Batch:
        batch = Batch()
        kept = [id_ for id_ in ids if id_ not in self.changed]
        stored = await self.run.database.read(lambda c: load_items(c, kept))
        begin, rows = 0, list(stored.values())
        while begin < len(rows):
            begin = await self.slices.run(partial(_rederive_slice, rows, begin, batch))
        if not self.run.parameters.from_stored:
            await self._read_again(batch, stored)
        await self._read(batch, [id_ for id_ in ids if id_ in self.changed])
        return batch

    async def _read_again(self, batch: Batch, stored: Mapping[int, StoredItem]) -> None:
        """Read from the bank what is stored so badly that nothing can be derived from it."""
        bad, batch.rejected = batch.rejected, []
        for one in bad:
            listing = await self.bank.head(one.key)
            known = stored[int(one.key)].stored.revision
            if listing is None or listing.revision != known:
                batch.rejected.append(one)
                continue
            wanted = Wanted(
                key=one.key,
                path=listing.path,
                revision=known,
                bank_id=listing.bank_id,
                branch=listing.branch,
            )
            changes = self.bank.read_changes([wanted], lambda history: derive(history, None))
            async with aclosing(changes) as slices:
                async for derived in slices:
                    for again in derived:
                        batch.processed -= 1  # it was counted when it was derived
                        batch.add(again, known)
                        if isinstance(again, Ingested):
                            batch.healed.append(again.key)

    async def _read(self, batch: Batch, ids: Sequence[int]) -> None:
        keys = [str(id_) for id_ in ids]
        facts = await self.run.database.read(lambda c: stored_facts(c, keys)) if ids else {}
        changes = self.bank.read_changes(
            [self.changed[id_] for id_ in ids],
            lambda history: derive(history, facts.get(history.key)),
        )
        async with aclosing(changes) as slices:
            async for derived in slices:
                for one in derived:
                    batch.add(one, self.replaces.get(int(one.key)))
                    if isinstance(one, Ingested):
                        batch.healed.append(one.key)

    async def _write(self, batch: Batch, *, after: int | None = None) -> None:
        saved: list[Saved] = []

        def work(connection: Connection) -> Counts:
            saved[:] = [
                save_items(connection, batch.writes, execution_id=self.run.writer.execution_id)
            ]
            forget_problems(connection, batch.healed)
            record_problems(connection, batch.rejected)
            return saved[0].counts + batch.counts

        checkpoint = None if after is None else orjson.dumps({"after": after}).decode()
        await self.run.writer.write(work, processed=batch.processed, checkpoint=checkpoint)
        self.errors += batch.counts.failed
        log_saved(saved[0])


def _after(checkpoint: str) -> int:
    """Return the id up to which a checkpoint says that all is done; 0 where it cannot be read."""
    try:
        after = orjson.loads(checkpoint)["after"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        after = None
    if type(after) is int and 0 <= after <= ITEM_ID_MAX:
        return after
    _log.warning("checkpoint cannot be read, beginning anew", checkpoint=checkpoint[:100])
    return 0


def _rederive_slice(rows: Sequence[StoredItem], begin: int, batch: Batch, piece: Slice) -> int:
    """Re-derive items from *begin* on into *batch*; return where the next slice begins."""
    index = begin
    while index < len(rows) and not (index > begin and piece.over()):
        piece.check()
        batch.processed += 1
        change = rederive_stored(rows[index])
        if change is None:
            batch.unchanged += 1
        elif isinstance(change, Rejected):
            batch.rejected.append(change)
        else:
            batch.writes.append(change)
        index += 1
    return index

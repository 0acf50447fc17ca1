"""The synchronization job: bring the database in step with the item bank."""

import re
from array import array
from bisect import bisect_left, insort
from collections.abc import Collection, Sequence
from contextlib import aclosing
from functools import partial
from typing import Final

from attrs import define, field

from ingest.aio import together
from ingest.bank.base import ItemBank, Listing, PushNotices
from ingest.errors import BankUnavailableError, DeleteGuardError
from ingest.items.comparison import Comparison, compare_with
from ingest.items.derivation import derive
from ingest.items.effects import Applied, Effects, Planned
from ingest.items.job import JobRun
from ingest.items.monitoring import monitor
from ingest.items.writing import Batch, WriteBehind
from ingest.model.item import ITEM_ID_MAX, ProblemKind, Rejected
from ingest.storage.deletions import Withheld
from ingest.storage.item_queries import item_count
from ingest.storage.items import item_ids, shared_numbers, stored_revisions
from ingest.storage.problems import problem_keys
from ingest.storage.scans import last_cursor

_ID: Final = re.compile(r"[1-9][0-9]*", re.ASCII)

#: Deletes that need nobody's word: this many, or this share of all items if that is more.
DELETES_ALLOWED: Final = 10
DELETES_ALLOWED_SHARE: Final = 0.05

#: How many of the bank's items are asked for at once, one by one.
ASKED_AT_ONCE: Final = 16

#: How many stored items are looked at together.
PAGE_ITEMS: Final = 1000


class Synchronization:
    """Lists the bank, reads what has changed, writes it, and deletes what is certainly gone.

    Args:
        bank: Where the items live.
        allow_deletes: How many a run may delete, where its start does not say; None for the rule.
        notices: How to make the bank tell of pushes; None to leave that be.
    """

    name = "itemSynchronizationJob"
    step_name = "itemSynchronizationStep"
    resumable = False

    def __init__(
        self,
        bank: ItemBank,
        *,
        allow_deletes: int | None = None,
        notices: PushNotices | None = None,
    ) -> None:
        self._bank = bank
        self._allow_deletes = allow_deletes
        self._notices = notices

    async def run(self, run: JobRun) -> str:
        """See `Job.run`."""
        effects: Effects = Planned(run) if run.parameters.is_dry_run else Applied(run)
        one = _Run(bank=self._bank, run=run, effects=effects, usually_allowed=self._allow_deletes)
        await one.ingest()
        await one.delete()
        await one.remember()
        await one.tidy()
        to_monitor = 0
        if self._notices is not None and not run.parameters.is_dry_run:
            to_monitor = await monitor(run, effects, self._notices)
        return effects.message(one.listed, to_monitor=to_monitor)


@define(kw_only=True)
class _Run:
    """One synchronization under way."""

    bank: ItemBank
    run: JobRun
    effects: Effects
    #: How many deletions the configuration allows; None for what the rule allows.
    usually_allowed: int | None
    #: The ids listed, compactly: a bank may have very many.
    seen: "array[int]" = field(factory=lambda: array("q"))
    #: Keys listed that are no ids.
    seen_oddly: set[str] = field(factory=set)
    #: Keys that were not listed, and whose items are not absent all the same.
    kept: set[str] = field(factory=set)
    batch: Batch = field(factory=Batch)
    #: Where the next listing may go on from, once all of this one is seen to.
    cursor: str | None = None
    #: How many items had vanished when they were to be read, and may be back the next time.
    left_out: int = 0

    @property
    def listed(self) -> int:
        """How many entries the bank has listed."""
        return len(self.seen) + len(self.seen_oddly)

    async def ingest(self) -> None:
        """List the bank to its end, and see to whatever has changed."""
        await self.effects.begin_scan()
        scan = self.bank.scan(await self.run.database.read(last_cursor))
        async with WriteBehind() as behind, aclosing(scan.__aiter__()) as slices:
            try:
                async for listings in slices:
                    self._note(listings)
                    await self._take(listings, behind, scan.total)
                    await self._flush(behind, scan.total)
            except BankUnavailableError:
                # What was read before that stands.
                await behind.put(self.effects.save(self.batch, scan.total))
                raise
            await behind.put(self.effects.save(self.batch, self.listed))
            await behind.settle()
        self.batch, self.cursor = Batch(), scan.cursor
        await self.effects.end_scan(seen=self.listed, complete=scan.complete)

    async def delete(self) -> None:
        """See to the stored items that the bank certainly does not have any more.

        Raises:
            DeleteGuardError: They are more than may be deleted without a person's word.
        """
        missing = await self._missing()
        withheld = await self._withheld(len(missing)) if missing else None
        if withheld is not None and not await self.effects.withhold(withheld):
            raise DeleteGuardError(str(withheld))
        for begin in range(0, len(missing), PAGE_ITEMS):
            gone, present = await self._look_for(missing[begin : begin + PAGE_ITEMS])
            await self.effects.delete(gone)
            await self._make_up_for(present)
        if withheld is None:
            # Only now: a run that ends before has settled nothing.
            await self.effects.allow()

    async def remember(self) -> None:
        """Let the next listing go on from this one: nothing of it is left open any more."""
        if self.cursor is not None and not self.left_out:
            await self.effects.keep_cursor(self.cursor)

    async def tidy(self) -> None:
        """Forget the problems of items that the bank does not have any more."""
        known = await self.run.database.read(problem_keys)
        stale = [key for key in known if not self._was_listed(key) and key not in self.kept]
        if stale:
            await self.effects.forget(stale)

    async def _look_for(self, missing: Sequence[int]) -> tuple[list[int], list[Listing]]:
        """Return which of these items the bank has not got, and which it has all the same.

        What is wrong with others is noted.
        """
        keys = [str(item_id) for item_id in missing]
        stored = await self.run.database.read(lambda c: stored_revisions(c, keys))
        numbers = {key: one.bank_id for key, one in stored.items()}
        known = [number for number in numbers.values() if number is not None]
        shared = await self.run.database.read(lambda c: shared_numbers(c, known)) if known else ()
        gone, present, kept = list[int](), list[Listing](), Batch()
        for begin in range(0, len(keys), ASKED_AT_ONCE):
            some = keys[begin : begin + ASKED_AT_ONCE]
            heads = await together(self.bank.head(key, numbers.get(key)) for key in some)
            for key, head in zip(some, heads, strict=True):
                if head is None or _became_another(head, shared):
                    gone.append(int(key))
                elif head.problem is None:
                    present.append(head)
                else:
                    self.kept.add(key)
                    kept.rejected.append(
                        Rejected(key=key, path=head.path, revision=None, problem=head.problem)
                    )
        if kept.rejected:
            await self.effects.save(kept, None)
        return gone, present

    async def _make_up_for(self, present: Sequence[Listing]) -> None:
        """See to items that are there although the listing did not show them.

        A list by numbered pages moves up where one of its entries goes away in the middle of it.
        """
        if not present:
            return
        for one in present:
            insort(self.seen, int(one.key))
        async with WriteBehind() as behind:
            await self._take(present, behind, self.listed)
            await behind.put(self.effects.save(self.batch, self.listed))
        self.batch = Batch()

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
        found = await compare_with(self.bank, self.run.database, listings)
        self._count(found)
        facts = found.facts
        changes = self.bank.read_changes(
            found.wanted, lambda history: derive(history, facts.get(history.key))
        )
        left_out = len(found.wanted)
        async with aclosing(changes) as slices:
            async for derived in slices:
                left_out -= len(derived)
                for one in derived:
                    self.batch.add(one, found.replaces(one.key))
                await self._flush(behind, total)
        self.left_out += left_out

    def _count(self, found: Comparison) -> None:
        batch = self.batch
        batch.rejected.extend(found.rejected)
        batch.healed.extend(found.healed)
        batch.moved.extend(found.moved)
        batch.unchanged += found.unchanged
        batch.still_bad += found.still_bad
        batch.processed += len(found.rejected) + found.unchanged + found.still_bad

    async def _flush(self, behind: WriteBehind, total: int | None) -> None:
        if self.batch.due:
            batch, self.batch = self.batch, Batch()
            await behind.put(self.effects.save(batch, total))

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

    async def _withheld(self, missing: int) -> Withheld | None:
        stored = await self.run.database.read(item_count)
        allowed = self._allowed(stored)
        if missing <= allowed:
            return None
        return Withheld(missing=missing, stored=stored, allowed=allowed)

    def _allowed(self, stored: int) -> int:
        asked = self.run.parameters.allow_deletes
        if asked is not None:
            return asked
        if not len(self.seen):
            return 0  # a bank that lists nothing is more likely gone than empty
        if self.usually_allowed is not None:
            return self.usually_allowed
        return max(DELETES_ALLOWED, int(stored * DELETES_ALLOWED_SHARE))


def _became_another(head: Listing, shared: Collection[int]) -> bool:
    """Return whether what was known by this key is another item now, and stored as that."""
    is_renamed = head.problem is not None and head.problem.kind is ProblemKind.RENAMED
    return is_renamed and head.bank_id in shared


def _id_of(key: str) -> int | None:
    """Return the id that a key stands for; None for what stands for none, such as 007."""
    if _ID.fullmatch(key) is None or len(key) > len(str(ITEM_ID_MAX)):
        return None
    item_id = int(key)
    return item_id if item_id <= ITEM_ID_MAX else None

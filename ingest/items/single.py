"""One item, now: what the jobs do to all of them, for whoever waits for this one."""

from contextlib import aclosing
from enum import StrEnum

import structlog
from sqlalchemy import Connection

from ingest.bank.base import ItemBank, Listing, Wanted
from ingest.errors import BankUnavailableError, ItemNotFoundError, ItemProblemError
from ingest.items.derivation import derive
from ingest.items.rederivation import rederive_stored
from ingest.items.writing import log_saved
from ingest.model.item import Derived, Ingested, Problem, ProblemKind, Rejected
from ingest.slices import Slices
from ingest.storage.database import Database
from ingest.storage.items import (
    ItemWrite,
    Saved,
    StoredItem,
    delete_items,
    forget_problems,
    load_items,
    save_items,
    stored_facts,
)
from ingest.storage.problems import record_problems

_log = structlog.get_logger(__name__)


class ItemOutcome(StrEnum):
    """What became of an item that was asked for; the values are what the API answers."""

    CREATED = "CREATED"
    UPDATED = "UPDATED"
    UNCHANGED = "UNCHANGED"
    DELETED = "DELETED"


class SingleItems:
    """Synchronizes or migrates one item, beside whatever job runs. Writes no execution row."""

    def __init__(self, bank: ItemBank, database: Database) -> None:
        self._bank = bank
        self._database = database
        self._slices = Slices(threads=1)

    def close(self) -> None:
        """Let go of the thread that derives."""
        self._slices.close()

    async def synchronize(self, item_id: int, bank_id: int | None = None) -> ItemOutcome:
        """Bring one item in step with the bank; durable on return.

        Args:
            item_id: Which.
            bank_id: The bank's own number of it, where that is known from elsewhere.

        Raises:
            ItemNotFoundError: Neither the bank nor the database has it.
            ItemProblemError: The bank's version cannot be ingested; the stored one stays.
            BankUnavailableError: The bank cannot tell.
        """
        # Whoever has written the item meanwhile may have read an older revision of it.
        while (outcome := await self._synchronize(item_id, bank_id)) is None:
            continue
        return outcome

    async def _synchronize(self, item_id: int, bank_id: int | None) -> ItemOutcome | None:
        """Bring one item in step; None where somebody else has written it meanwhile."""
        stored = await self._stored(item_id)
        known = None if stored is None else stored.stored.bank_id
        # The number that is stored first: where two projects have one name, the other's is no item.
        listing = await self._bank.head(str(item_id), known or bank_id)
        if listing is None:
            if stored is not None and not await self._bank_lists_anything():
                raise BankUnavailableError(
                    f"The item bank lists no item at all, so item {item_id} is not deleted: a bank "
                    "that is empty is more likely gone"
                )
            return await self._delete(item_id, stored)
        return await self._bring(listing, stored)

    async def migrate(self, item_id: int) -> ItemOutcome:
        """Derive one item's row anew by the rules of today; durable on return.

        From the stored document where the bank has no newer one, or has it no more.

        Raises:
            See `synchronize`.
        """
        stored = await self._stored(item_id)
        known_as = None if stored is None else stored.stored.bank_id
        listing = await self._bank.head(str(item_id), known_as)
        if stored is None and listing is None:
            raise _unknown(item_id)
        if listing is not None and not _is_stored(listing, stored):
            return await self._bring(listing, stored) or await self.synchronize(item_id)
        if stored is None:
            raise _unknown(item_id)
        known = stored
        change = await self._slices.run(lambda _: rederive_stored(known))
        if isinstance(change, Rejected):
            raise await self._reject(change)
        if change is not None:
            # Whatever was written meanwhile was derived by the rules of today as well.
            return await self._save(change) or ItemOutcome.UNCHANGED
        if listing is not None and listing.problem is None:
            await self._database.write(lambda c: forget_problems(c, [listing.key]))
        return ItemOutcome.UNCHANGED

    async def _bank_lists_anything(self) -> bool:
        async with aclosing(self._bank.scan().__aiter__()) as slices:
            async for _ in slices:
                return True
        return False

    async def _stored(self, item_id: int) -> StoredItem | None:
        found = await self._database.read(lambda connection: load_items(connection, [item_id]))
        return found.get(item_id)

    async def _bring(self, listing: Listing, stored: StoredItem | None) -> ItemOutcome | None:
        if listing.problem is not None:
            raise await self._reject(_rejected(listing, listing.problem))
        if _is_stored(listing, stored):
            await self._database.write(lambda c: forget_problems(c, [listing.key]))
            return ItemOutcome.UNCHANGED
        derived = await self._read(listing, stored)
        if isinstance(derived, Rejected):
            raise await self._reject(derived)
        if not isinstance(derived, Ingested):
            raise ItemNotFoundError(
                listing.key, where=f"the item bank: {listing.path} holds no item.json yet"
            )
        replaces = None if stored is None else stored.stored.revision
        return await self._save(ItemWrite(ingested=derived, replaces=replaces))

    async def _read(self, listing: Listing, stored: StoredItem | None) -> Derived | None:
        if listing.revision is None:
            if stored is None:
                return None
            problem = Problem(ProblemKind.DOCUMENT_REMOVED, f"{listing.path} has no commits")
            return _rejected(listing, problem)
        wanted = Wanted(
            key=listing.key,
            path=listing.path,
            revision=listing.revision,
            after=None if stored is None else stored.stored.commit_hash,
            bank_id=listing.bank_id,
            branch=listing.branch,
        )
        facts = await self._database.read(lambda c: stored_facts(c, [listing.key]))
        changes = self._bank.read_changes(
            [wanted], lambda history: derive(history, facts.get(history.key))
        )
        async with aclosing(changes) as slices:
            async for derived in slices:
                return derived[0]
        return None

    async def _save(self, write: ItemWrite) -> ItemOutcome | None:
        """Write an item; return None where somebody else has written it meanwhile."""

        def work(connection: Connection) -> Saved:
            forget_problems(connection, [write.ingested.key])
            return save_items(connection, [write], execution_id=None)

        saved = await self._database.write(work)
        log_saved(saved)
        if saved.created:
            return ItemOutcome.CREATED
        return ItemOutcome.UPDATED if saved.updated else None

    async def _delete(self, item_id: int, stored: StoredItem | None) -> ItemOutcome | None:
        def work(connection: Connection) -> list[int]:
            forget_problems(connection, [str(item_id)])
            if stored is None:
                return []
            return delete_items(connection, {item_id: stored.stored.revision})

        deleted = await self._database.write(work)
        if stored is None:
            raise _unknown(item_id)
        if not deleted:
            return None
        commit = stored.commit.hash
        _log.info("ITEM_DELETED", item_id=item_id, bank_key=stored.key, commit=commit)
        return ItemOutcome.DELETED

    async def _reject(self, rejected: Rejected) -> ItemProblemError:
        await self._database.write(lambda connection: record_problems(connection, [rejected]))
        problem = rejected.problem
        return ItemProblemError(rejected.key, kind=problem.kind, message=problem.message)


def _is_stored(listing: Listing, stored: StoredItem | None) -> bool:
    return stored is not None and listing.revision == stored.stored.revision


def _rejected(listing: Listing, problem: Problem) -> Rejected:
    return Rejected(key=listing.key, path=listing.path, revision=listing.revision, problem=problem)


def _unknown(item_id: int) -> ItemNotFoundError:
    return ItemNotFoundError(str(item_id), where="the item bank and the item database")

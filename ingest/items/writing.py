"""Writing beside reading: what was read is written in batches while more is read."""

import asyncio
import time
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Final, Self

import structlog
from attrs import define, field

from ingest.aio import settle
from ingest.bank.base import Listing
from ingest.model.item import Derived, Ingested, Rejected
from ingest.model.job import Counts
from ingest.storage.items import ItemWrite, Saved

_log = structlog.get_logger(__name__)

#: As many items share a transaction. More would make a stop wait longer for no gain in speed.
BATCH_ITEMS: Final = 25

#: What was read is written after this time at the latest, so that progress shows.
BATCH_AGE_S: Final = 0.5


@define(kw_only=True)
class Batch:
    """What is to be written in one transaction, with the counts that belong to it."""

    writes: list[ItemWrite] = field(factory=list)
    rejected: list[Rejected] = field(factory=list)
    #: Items that had a problem and are well again without having changed.
    healed: list[str] = field(factory=list)
    #: Items that stand where they stood, at another place or under another number of the bank's.
    moved: list[Listing] = field(factory=list)
    read: int = 0
    unchanged: int = 0
    #: Items known to be bad, which were not read again.
    still_bad: int = 0
    processed: int = 0
    _since: float = field(factory=time.monotonic)

    def add(self, derived: Derived, replaces: str | None) -> None:
        """Take in what became of reading one item, whose stored revision was *replaces*."""
        self.processed += 1
        if isinstance(derived, Ingested):
            self.read += 1
            self.writes.append(ItemWrite(ingested=derived, replaces=replaces))
        elif isinstance(derived, Rejected):
            self.read += 1
            self.rejected.append(derived)
        else:
            self.unchanged += 1

    @property
    def counts(self) -> Counts:
        """What it adds to the counts, beside what is saved."""
        failed = len(self.rejected) + self.still_bad
        return Counts(read=self.read, unchanged=self.unchanged, failed=failed)

    @property
    def due(self) -> bool:
        """Whether it is full, or old, and holds anything."""
        waiting = len(self.writes) + len(self.rejected)
        age_s = time.monotonic() - self._since
        return waiting >= BATCH_ITEMS or (self.processed > 0 and age_s >= BATCH_AGE_S)


class WriteBehind:
    """Keeps one write under way while its user reads on.

    Leaving the context waits for the write, also when the user was cancelled: what is being
    written is always written whole.
    """

    def __init__(self) -> None:
        self._write: asyncio.Task[None] | None = None

    async def put(self, write: Coroutine[Any, Any, None]) -> None:
        """Wait for the write before, then begin this one.

        Raises:
            Exception: Whatever the write before has raised.
        """
        try:
            await self.settle()
        except BaseException:
            write.close()
            raise
        self._write = asyncio.create_task(write)

    async def settle(self) -> None:
        """Wait for the write under way, and raise what it raises."""
        if self._write is not None:
            under_way, self._write = self._write, None
            await settle(under_way)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.settle()


def log_saved(saved: Saved) -> None:
    """Say which items were written, one line each; for after the commit."""
    for event, items in (("ITEM_CREATED", saved.created), ("ITEM_UPDATED", saved.updated)):
        for one in items:
            _log.info(event, item_id=one.row.id, bank_key=one.key, commit=one.commit.hash)

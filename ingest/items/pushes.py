"""Pushes: taken in durably at once, and seen to item by item, several beside each other.

What was taken in survives the process: the table is the queue, and whatever it holds at a start is
seen to first. The synchronization job stays the truth; this is only sooner.
"""

import asyncio
import random
from collections.abc import Sequence
from typing import Final

import structlog

from ingest.bank.base import Push
from ingest.errors import (
    BankUnavailableError,
    DatabaseUnavailableError,
    ItemNotFoundError,
    ItemProblemError,
)
from ingest.items.single import SingleItems
from ingest.storage.database import Database
from ingest.storage.pushes import (
    PendingPush,
    add_pushes,
    oldest_pushes,
    postpone_push,
    settle_push,
)

_log = structlog.get_logger(__name__)

#: How many items are brought in step at the same time: as many as requests, for each waits for one
#: after the other.
AT_ONCE: Final = 16

#: How long an item, or all of them where the bank is away, waits after a failure: at first, and at
#: most.
FIRST_PAUSE_S: Final = 1.0
LAST_PAUSE_S: Final = 60.0


class PushInbox:
    """Puts pushes on record. Those that come while one is being written share a transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: list[tuple[Push, asyncio.Future[None]]] = []
        self._writing: asyncio.Task[None] | None = None
        #: Set whenever something has come in.
        self.came = asyncio.Event()

    async def put(self, push: Push) -> None:
        """Take in a push; on return it is on disk.

        A caller that goes away takes nothing back.

        Raises:
            DatabaseUnavailableError: It could not be written; nothing was taken in.
        """
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((push, written))
        if self._writing is None:
            self._writing = asyncio.create_task(self._write(), name="inbox of pushes")
        await written

    async def settle(self) -> None:
        """Wait until nothing is being written any more."""
        if self._writing is not None:
            await asyncio.wait({self._writing})

    async def _write(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting, []
                await self._write_batch(batch)
        finally:
            self._writing = None

    async def _write_batch(self, batch: Sequence[tuple[Push, "asyncio.Future[None]"]]) -> None:
        pushes = [push for push, _ in batch]
        try:
            await self._database.write(lambda connection: add_pushes(connection, pushes))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the callers' to hear
            for _, written in batch:
                if not written.done():
                    written.set_exception(error)
            return
        self.came.set()
        for _, written in batch:
            if not written.done():
                written.set_result(None)


class PushWorker:
    """Brings items in step that were pushed to, for as long as it is not told to end.

    Args:
        inbox: Tells when there is more to do.
        database: Holds what is to be done.
        singles: Brings one item in step.
        first_pause_s: How long to wait after a first failure.
    """

    def __init__(
        self,
        inbox: PushInbox,
        database: Database,
        singles: SingleItems,
        *,
        first_pause_s: float = FIRST_PAUSE_S,
    ) -> None:
        self._inbox = inbox
        self._database = database
        self._singles = singles
        self._first_pause_s = first_pause_s
        self._busy: dict[str, asyncio.Task[None]] = {}
        #: Keys that have failed, which wait for another try.
        self._postponed: set[str] = set()
        self._failures_in_a_row = 0

    async def run(self) -> None:
        """See to whatever there is, until cancelled; leaves no request and no write under way."""
        try:
            while True:
                self._inbox.came.clear()
                await self._fill()
                await self._wait()
        finally:
            await self._end()

    async def _fill(self) -> None:
        """Begin with the oldest ones for which there is room."""
        room = AT_ONCE - len(self._busy)
        if room <= 0:
            return
        besides = {*self._busy, *self._postponed}
        try:
            pushes = await self._database.read(
                lambda c: oldest_pushes(c, limit=room, besides=besides)
            )
        except DatabaseUnavailableError as error:
            await self._pause("the database cannot be read", error)
            self._inbox.came.set()
            return
        self._failures_in_a_row = 0
        for push in pushes:
            task = asyncio.create_task(self._see_to(push), name=f"push to item {push.key}")
            self._busy[push.key] = task

    async def _wait(self) -> None:
        """Wait until something has come in, or one of those under way has ended."""
        coming = asyncio.create_task(self._inbox.came.wait())
        try:
            await asyncio.wait({coming, *self._busy.values()}, return_when="FIRST_COMPLETED")
        finally:
            coming.cancel()
        for key in [key for key, task in self._busy.items() if task.done()]:
            del self._busy[key]

    async def _see_to(self, push: PendingPush) -> None:
        with structlog.contextvars.bound_contextvars(push_to=push.key):
            reason = await self._synchronize(push)
            try:
                if reason is None:
                    await self._database.write(lambda c: settle_push(c, push))
                    return
                await self._database.write(lambda c: postpone_push(c, push, reason))
            except DatabaseUnavailableError as error:
                _log.warning("push cannot be settled yet", reason=str(error))
        self._postponed.add(push.key)
        asyncio.get_running_loop().call_later(
            self._pause_s(push.attempts), self._take_again, push.key
        )

    async def _synchronize(self, push: PendingPush) -> str | None:
        """Bring an item in step; return why it could not be, for which it is tried again."""
        try:
            outcome = await self._singles.synchronize(int(push.key), push.bank_id)
        except (ItemProblemError, ItemNotFoundError) as error:
            _log.info("push seen to", outcome="PROBLEM", reason=str(error))
        except (BankUnavailableError, DatabaseUnavailableError) as error:
            _log.warning("push cannot be seen to yet", reason=str(error))
            return str(error)
        except Exception as error:  # noqa: BLE001 - logged whole; the item is tried again
            _log.exception("push cannot be seen to")
            return f"{type(error).__name__}: {error}"
        else:
            _log.info("push seen to", outcome=outcome)
        return None

    def _take_again(self, key: str) -> None:
        self._postponed.discard(key)
        self._inbox.came.set()

    async def _pause(self, event: str, error: Exception) -> None:
        self._failures_in_a_row += 1
        _log.warning(event, reason=str(error))
        await asyncio.sleep(self._pause_s(self._failures_in_a_row - 1))

    def _pause_s(self, failures: int) -> float:
        # S311: a spread, no secret.
        spread = random.uniform(1.0, 1.5)  # noqa: S311
        return float(min(LAST_PAUSE_S, self._first_pause_s * 2 ** min(failures, 16)) * spread)

    async def _end(self) -> None:
        for task in self._busy.values():
            task.cancel()
        if self._busy:
            await asyncio.wait(set(self._busy.values()))

"""Keeps the history of executions bounded, behind everybody's back."""

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import Final

import structlog

from ingest.errors import DatabaseUnavailableError
from ingest.jobs.observer import Nobody
from ingest.model.job import JobExecution
from ingest.storage.database import Database
from ingest.storage.retention import forget_piece, forgettable

#: After an end it waits so long before it begins: who has abandoned a job often starts it anew.
REST_S: Final = 1.0

#: After each piece it rests so many times as long as that took, so that others have the database.
_REST_FACTOR: Final = 4

_log = structlog.get_logger(__name__)


class Retention(Nobody):
    """Forgets executions beyond those that are to be kept, in pieces, in a task of its own.

    It observes jobs: behind every end there may be something to forget.

    Args:
        database: Where executions are on record.
        retain: How many ended ones of each job are kept, besides those that are needed; None
            keeps all.
        is_owner: Says whether the database is still this process's.
        on_forgotten: Called after a round in which some were forgotten.
        rest_s: How long it waits before it begins.
    """

    def __init__(
        self,
        database: Database,
        *,
        retain: int | None,
        is_owner: Callable[[], bool] = lambda: True,
        on_forgotten: Callable[[], object] = lambda: None,
        rest_s: float = REST_S,
    ) -> None:
        self._database = database
        self._retain = retain
        self._is_owner = is_owner
        self._on_forgotten = on_forgotten
        self._rest_s = rest_s
        self._wanted = asyncio.Event()
        self._closing = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def ended(self, job_name: str, execution: JobExecution | None) -> None:
        """See `JobObserver`."""
        del job_name, execution
        self.prune_later()

    def prune_later(self) -> None:
        """Forget what there is to forget, soon; does not wait."""
        if self._retain is None or self._closing.is_set():
            return
        self._wanted.set()
        if self._task is None:
            self._task = asyncio.create_task(self._go_on(self._retain), name="retention")

    async def close(self) -> None:
        """Stop, after the piece that is under way; the rest is forgotten next time."""
        self._closing.set()
        self._wanted.set()
        if self._task is not None:
            await asyncio.wait({self._task})

    async def _go_on(self, retain: int) -> None:
        while not self._closing.is_set():
            await self._wanted.wait()
            await self._rest(self._rest_s)
            self._wanted.clear()
            try:
                forgotten = await self._prune(retain)
            except DatabaseUnavailableError as error:
                _log.warning("old executions not forgotten yet", reason=str(error))
                continue
            if forgotten:
                _log.info("old executions forgotten", executions=forgotten, retain=retain)
                self._on_forgotten()

    async def _prune(self, retain: int) -> int:
        forgotten = 0
        for execution_id in await self._database.read(partial(forgettable, retain=retain)):
            is_gone = False
            while not is_gone:
                if self._closing.is_set() or not self._is_owner():
                    return forgotten
                began = time.monotonic()
                is_gone = await self._database.write(
                    partial(forget_piece, execution_id=execution_id)
                )
                await self._rest((time.monotonic() - began) * _REST_FACTOR)
            forgotten += 1
        return forgotten

    async def _rest(self, for_s: float) -> None:
        try:
            async with asyncio.timeout(for_s):
                await self._closing.wait()
        except TimeoutError:
            pass

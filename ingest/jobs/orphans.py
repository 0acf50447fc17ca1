"""Rows on record as running that nothing here runs: settled behind a start that failed."""

import asyncio
from collections.abc import Callable
from typing import Final

import stamina

from ingest.errors import DatabaseUnavailableError
from ingest.jobs.registry import JobRegistry
from ingest.model.job import JobInstance
from ingest.storage.executions import ExecutionStore

#: Who recovers, in the history of an execution.
SERVICE: Final = "service"


class OrphanSettler:
    """Settles what a start may have left whose commit was answered with an error.

    Args:
        store: Where executions are on record.
        registry: What runs here: nobody else's rows are touched.
        is_owner: Says whether the database is still this process's.
    """

    def __init__(
        self, store: ExecutionStore, registry: JobRegistry, is_owner: Callable[[], bool]
    ) -> None:
        self._store = store
        self._registry = registry
        self._is_owner = is_owner
        self._is_stopped = False
        self._tasks: set[asyncio.Task[None]] = set()

    def settle_later(self, instance: JobInstance) -> None:
        """Settle an instance's orphan as soon as the database can be written; does not wait."""
        task = asyncio.create_task(self._settle(instance), name="settler of orphans")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def close(self) -> None:
        """From now on leave what is not settled to the next owner of the database."""
        self._is_stopped = True

    async def stop(self) -> None:
        """Let go of what is waiting to be settled."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _settle(self, instance: JobInstance) -> None:
        async for attempt in stamina.retry_context(
            on=DatabaseUnavailableError,
            attempts=None,
            timeout=None,
            wait_initial=0.05,
            wait_max=1.0,
            wait_jitter=0.05,
        ):
            with attempt:
                async with self._registry.gate(instance.id):
                    # Of an attempt that failed while it was cancelled only the error is left.
                    is_idle = self._registry.get(instance.id) is None
                    if is_idle and not self._is_stopped and self._is_owner():
                        await self._store.settle_orphan(instance.id, actor=SERVICE)

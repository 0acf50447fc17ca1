"""Deriving in a thread from documents that come over the network one by one.

So no more than one document of each item that is being read is held at any time, however long its
history is.
"""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextvars import copy_context
from typing import Any, TypeVar

from ingest.aio import finish
from ingest.bank.base import Wanted
from ingest.bank.gitlab.reading import Blob, Past, ProjectReader, documents
from ingest.model.item import Document, History
from ingest.slices import Slice, Slices

T = TypeVar("T")


class Deriver:
    """Reads items and derives from them.

    Args:
        reader: Reads what the documents hold.
        threads: How many items at the same time.
    """

    def __init__(self, reader: ProjectReader, *, threads: int) -> None:
        self._reader = reader
        self._slices = Slices(threads=threads)

    async def derive(self, wanted: Wanted, past: Past, derive: Callable[[History], T]) -> T:
        """Return what *derive* makes of an item's history: *past*, and the documents.

        Cancelled, it ends the request that is on its way, and leaves neither that nor a thread.

        Raises:
            AskError: GitLab does not give out what is to be read.
        """
        fetching = _Fetching(self._reader, past)
        try:
            return await self._slices.run(
                lambda piece: derive(_history(wanted, past, fetching.documents(piece)))
            )
        finally:
            await finish(fetching.end())

    def close(self) -> None:
        """Let the threads end."""
        self._slices.close()


class _Fetching:
    """Requests that a thread asks for, and the event loop sends."""

    def __init__(self, reader: ProjectReader, past: Past) -> None:
        self._reader = reader
        self._past = past
        self._loop = asyncio.get_running_loop()
        # Not the thread's: requests are counted, and logged, for the run that asks.
        self._context = copy_context()
        self._sending: set[asyncio.Task[Any]] = set()

    def documents(self, piece: Slice) -> Iterator[Document]:
        """Yield the documents, in the thread that the slice is at work in."""

        def fetch(commit: str) -> Blob:
            piece.check()
            return piece.wait(self._submit(commit))

        return documents(self._past, fetch)

    async def end(self) -> None:
        """End what is still on its way, and wait for that."""
        for task in self._sending:
            task.cancel()
        if self._sending:
            await asyncio.wait(set(self._sending))

    def _submit(self, commit: str) -> Future[Blob]:
        return self._context.run(asyncio.run_coroutine_threadsafe, self._send(commit), self._loop)

    async def _send(self, commit: str) -> Blob:
        task = asyncio.current_task()
        if task is not None:
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)
        return await self._reader.blob(self._past.bank_id, commit)


def _history(wanted: Wanted, past: Past, read: Iterator[Document]) -> History:
    return History(
        key=wanted.key,
        path=wanted.path,
        branch=wanted.branch or "HEAD",
        revision=wanted.revision,
        is_whole=past.is_whole,
        documents=read,
        bank_id=wanted.bank_id,
    )

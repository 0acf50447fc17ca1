"""Blocking work in threads, in slices short enough that a stop is seen."""

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from typing import Any, Final, TypeVar

from ingest.aio import settle

T = TypeVar("T")

_at_work: "dict[asyncio.Future[Any], Slice]" = {}

#: How long a slice of many small pieces of work takes, about.
SLICE_S: Final = 0.05


class InterruptedSliceError(Exception):
    """The slice was told to stop; what it had read so far is of no use."""


class Slice:
    """What the work in a thread asks, between two of its pieces: go on?"""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._awaited: Future[Any] | None = None
        self._end = time.monotonic() + SLICE_S
        #: The thread it is at work in, once it is.
        self.thread: int | None = None

    def stop(self) -> None:
        """Ask the work to give up what it has not finished. Safe from any thread."""
        self._stop.set()
        awaited = self._awaited
        if awaited is not None:
            awaited.cancel()

    def wait(self, future: "Future[T]") -> T:
        """Wait, in the work's thread, for what is done elsewhere; a stop cancels that.

        Raises:
            InterruptedSliceError: The slice was told to stop.
        """
        self._awaited = future
        try:
            if self._stop.is_set():
                future.cancel()
            return future.result()
        except CancelledError:
            raise InterruptedSliceError from None
        finally:
            self._awaited = None

    def check(self) -> None:
        """Go on only if somebody still waits for the result.

        Raises:
            InterruptedSliceError: Nobody does.
        """
        if self._stop.is_set():
            raise InterruptedSliceError

    def over(self) -> bool:
        """Return whether the slice has had its time."""
        return self._stop.is_set() or time.monotonic() >= self._end


class Slices:
    """Runs slices in a few threads of its own."""

    def __init__(self, *, threads: int = 4) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="slices")

    async def run(self, work: Callable[[Slice], T]) -> T:
        """Run *work* in a thread and wait for it.

        A caller that is cancelled tells the slice so, and waits until it has ended all the same:
        a thread is never left at work.
        """
        piece = Slice()
        future = asyncio.wrap_future(self._executor.submit(_run, work, piece))
        _at_work[future] = piece
        try:
            return await settle(future, on_cancel=piece.stop)
        except InterruptedSliceError:
            raise asyncio.CancelledError from None
        finally:
            del _at_work[future]

    def close(self) -> None:
        """Let the threads end. Does not wait for one that hangs on a dead file system."""
        self._executor.shutdown(wait=False, cancel_futures=True)


def at_work() -> bool:
    """Return whether a slice of anybody's is at work; at the end of a process, that hangs."""
    return bool(_at_work)


def thread_of(future: "asyncio.Future[Any]") -> int | None:
    """Return the thread in which the slice behind a future is at work; None if in none."""
    piece = _at_work.get(future)
    return None if piece is None else piece.thread


def _run(work: Callable[[Slice], T], piece: Slice) -> T:
    piece.thread = threading.get_ident()
    return work(piece)

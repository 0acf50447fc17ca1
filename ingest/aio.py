"""What asyncio leaves to its users: to finish something although one was told to stop."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, TypeVar

T = TypeVar("T")

_awaited: "dict[asyncio.Task[Any], asyncio.Future[Any]]" = {}


async def settle(
    future: "asyncio.Future[T]", *, on_cancel: Callable[[], object] | None = None
) -> T:
    """Wait until *future* is done, however often the caller is cancelled meanwhile.

    For work that must not be cut in the middle: a transaction, a slice in a thread. Whatever the
    future ends with, an error too, reaches the caller; only when it ended well is a cancellation
    raised in its place, after the fact. *on_cancel* may ask the future to come to an end soon.

    Raises:
        asyncio.CancelledError: The caller was cancelled while it waited; the future is done.
    """
    cancelled: asyncio.CancelledError | None = None
    waiting = asyncio.current_task()
    while not future.done():
        if waiting is not None:
            _awaited[waiting] = future
        try:
            await asyncio.wait({future})
        except asyncio.CancelledError as error:
            cancelled = error
            if on_cancel is not None:
                on_cancel()
        finally:
            if waiting is not None:
                _awaited.pop(waiting, None)
    result = future.result()
    if cancelled is not None:
        raise cancelled
    return result


async def finish(work: Coroutine[Any, Any, T]) -> T:
    """Run *work* as a task of its own and `settle` it."""
    return await settle(asyncio.ensure_future(work))


async def together(work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Run them beside each other; return their results in order.

    The first error ends the others, which are waited for, and is raised as it is.
    """
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one) for one in work]
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return [task.result() for task in tasks]


def awaited_by(task: "asyncio.Task[Any]") -> "asyncio.Future[Any] | None":
    """Return what a task is about to `settle`, so that one can tell where its work stands."""
    return _awaited.get(task)

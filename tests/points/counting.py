"""Counts the suspension points of a run: every time that a task of it yields to the event loop."""

import asyncio
import contextvars
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

T = TypeVar("T")

#: Tasks copy the context they are made in, so whatever a run's tasks make belongs to the run.
_RUN: Final[contextvars.ContextVar["Points | None"]] = contextvars.ContextVar("run", default=None)


class Points:
    """The suspension points of one run, and what is to happen at one of them.

    Args:
        at: The number of the point, from 1 on; None only counts.
        interrupt: Called there, by the task that yields, before the event loop has control.
    """

    def __init__(self, at: int | None, interrupt: Callable[[], object]) -> None:
        self.passed = 0
        self.tasks: list[asyncio.Task[Any]] = []
        self._at = at
        self._interrupt = interrupt
        self._there = asyncio.get_running_loop().create_future()

    @property
    def reached(self) -> bool:
        """Whether the run came to the point."""
        return self._at is not None and self.passed >= self._at

    def begin(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Begin the run: a task that counts, with all that it makes."""
        context = contextvars.copy_context()
        context.run(_RUN.set, self)
        return asyncio.get_running_loop().create_task(work, context=context)

    async def came(self) -> bool:
        """Wait until the run has come to the point, or has ended without; return which."""
        while (left := self.left()) and not self.reached:
            await asyncio.wait({self._there, *left}, return_when=asyncio.FIRST_COMPLETED)
        return self.reached

    async def ended(self, *, deadline_s: float) -> list[str]:
        """Wait for all tasks of the run; return those that did not end, as text."""
        loop = asyncio.get_running_loop()
        until = loop.time() + deadline_s
        while left := self.left():
            if loop.time() >= until:
                return [repr(task) for task in left]
            await asyncio.wait(left, timeout=until - loop.time())
        return []

    def left(self) -> list[asyncio.Task[Any]]:
        """Return the run's tasks that have not ended."""
        return [task for task in self.tasks if not task.done()]

    def pass_one(self) -> None:
        """Count one suspension."""
        self.passed += 1
        if self.passed == self._at:
            self._interrupt()
            self._there.set_result(None)


class _Counted(Coroutine[Any, Any, T]):
    """A coroutine that tells each time it yields."""

    def __init__(self, inner: Coroutine[Any, Any, T], points: Points) -> None:
        self._inner = inner
        self._points = points
        self.__qualname__ = getattr(inner, "__qualname__", repr(inner))

    def send(self, value: Any) -> Any:
        yielded = self._inner.send(value)
        self._points.pass_one()
        return yielded

    def throw(self, *error: Any) -> Any:
        yielded = self._inner.throw(*error)
        self._points.pass_one()
        return yielded

    def close(self) -> None:
        self._inner.close()

    def __await__(self) -> Any:
        return self._inner.__await__()


def count_in_this_loop() -> None:
    """Let the running loop count for the runs that `Points.begin` begins."""
    asyncio.get_running_loop().set_task_factory(_make_task)


def outside_of_runs() -> contextvars.Context:
    """Return a context whose tasks belong to no run, also when a run's task asks for it."""
    context = contextvars.copy_context()
    context.run(_RUN.set, None)
    return context


def _make_task(loop: asyncio.AbstractEventLoop, work: Any, **options: Any) -> asyncio.Task[Any]:
    context: contextvars.Context | None = options.get("context")
    points = _RUN.get() if context is None else context.get(_RUN)
    if points is None:
        return asyncio.Task(work, loop=loop, **options)
    task: asyncio.Task[Any] = asyncio.Task(_Counted(work, points), loop=loop, **options)
    points.tasks.append(task)
    return task

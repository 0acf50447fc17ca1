"""Where in the code a task stands: through what it awaits, into other tasks and threads."""

import asyncio
import gc
import sys
import sysconfig
import threading
from collections.abc import AsyncGenerator, Coroutine, Iterator
from pathlib import Path
from types import AsyncGeneratorType, CoroutineType, FrameType, GeneratorType
from typing import Any, Final

from ingest.aio import awaited_by
from ingest.slices import thread_of

_ROOT: Final = Path(__file__).parents[2]
_LIBRARIES: Final = tuple(
    {str(Path(sysconfig.get_path(name)).resolve()) for name in ("stdlib", "purelib", "platlib")}
)
#: Held while collections are off, so that nobody turns them on for somebody else.
_looking: Final = threading.Lock()

#: Deeper than any work goes: a chain of this length is a circle.
_DEEPEST: Final = 200


def stack_of(task: "asyncio.Task[Any]") -> list[str]:
    """Return where a task stands, outermost first: ``ingest/aio.py:35 in settle``.

    What the task waits to `settle` is followed: another task's frames come behind its own, and
    those of the thread in which a slice is at work. Empty for a task that is done.
    """
    return [_described(frame, line) for frame, line in _frames(task)]


def place_of(task: "asyncio.Task[Any]") -> str | None:
    """Return the innermost place of a task's stack that is in no library; None if it is done."""
    return _place(_frames(task))


def place_of_thread(ident: int) -> str | None:
    """Return the innermost place of a thread's stack that is in no library."""
    return _place(_thread_frames(ident))


def thread_frames() -> dict[int, FrameType]:
    """Return the innermost frame of every thread, by the thread's number.

    Without a garbage collection in the middle: in CPython 3.11.7 one that began there was seen to
    wait for ever for a lock that its own thread held, and the whole process with it.
    """
    with _looking:
        was_enabled = gc.isenabled()
        gc.disable()
        try:
            return sys._current_frames()  # noqa: SLF001 - the documented way to see a thread
        finally:
            if was_enabled:
                gc.enable()


def _place(frames: Iterator[tuple[FrameType, int]]) -> str | None:
    place = None
    for frame, line in frames:
        if not _is_library(frame) or place is None:
            place = _described(frame, line)
    return place


def _frames(task: "asyncio.Task[Any]") -> Iterator[tuple[FrameType, int]]:
    at: asyncio.Future[Any] | None = task
    for _ in range(_DEEPEST):
        if not isinstance(at, asyncio.Task):
            break
        yield from _awaiting(at.get_coro())
        at = awaited_by(at)
    if at is not None and (ident := thread_of(at)) is not None:
        yield from _thread_frames(ident)


def _awaiting(awaitable: object) -> Iterator[tuple[FrameType, int]]:
    """Follow what is suspended in what; a frame that runs just now ends it."""
    for _ in range(_DEEPEST):
        frame: FrameType | None
        inner: object
        if isinstance(awaitable, CoroutineType):
            frame, inner = awaitable.cr_frame, awaitable.cr_await
        elif isinstance(awaitable, AsyncGeneratorType):
            frame, inner = awaitable.ag_frame, awaitable.ag_await
        elif isinstance(awaitable, GeneratorType):
            frame, inner = awaitable.gi_frame, awaitable.gi_yieldfrom
        else:
            frame, inner = None, _wrapped(awaitable)
        if frame is not None:
            yield frame, frame.f_lineno
        if inner is None:
            return
        awaitable = inner


def _wrapped(awaitable: object) -> object | None:
    """Return what a step of an async generator belongs to, which nothing but this tells."""
    if isinstance(awaitable, asyncio.Future):
        return None
    kinds = (AsyncGenerator, Coroutine)
    return next((one for one in gc.get_referents(awaitable) if isinstance(one, kinds)), None)


def _thread_frames(ident: int) -> Iterator[tuple[FrameType, int]]:
    frames = []
    frame = thread_frames().get(ident)
    while frame is not None:
        frames.append((frame, frame.f_lineno))
        frame = frame.f_back
    return reversed(frames)


def _is_library(frame: FrameType) -> bool:
    name = frame.f_code.co_filename
    return name.startswith(("<", *_LIBRARIES))


def _described(frame: FrameType, line: int) -> str:
    path = Path(frame.f_code.co_filename)
    for root in (_ROOT, *map(Path, _LIBRARIES)):
        if path.is_relative_to(root):
            path = path.relative_to(root)
            break
    return f"{path}:{line} in {frame.f_code.co_name}"

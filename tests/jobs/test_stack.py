"""Where a job stands, for those whom it keeps waiting."""

import asyncio
import gc
import re
import sys
import threading
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from types import FrameType
from typing import Any

import pytest

from ingest.aio import finish
from ingest.jobs.stack import place_of, place_of_thread, stack_of, thread_frames
from ingest.slices import Slice, Slices
from tests.support.service import DEADLINE_S


async def _waits(event: asyncio.Event) -> None:
    await event.wait()


async def _yields(event: asyncio.Event) -> AsyncGenerator[int, None]:
    await _waits(event)
    yield 1


async def _iterates(event: asyncio.Event) -> None:
    async with aclosing(_yields(event)) as numbers:
        async for _ in numbers:
            pass


class _Held:
    """Work for a thread that waits until it is let go."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.let_go = threading.Event()

    def work(self, _piece: Slice) -> None:
        self.entered.set()
        self.let_go.wait(DEADLINE_S)


@pytest.fixture
async def slices() -> AsyncIterator[Slices]:
    """Threads for blocking work."""
    made = Slices(threads=1)
    yield made
    made.close()


async def _suspended() -> None:
    """Let a task that was just made come to where it waits."""
    await asyncio.sleep(0)


def functions(stack: list[str]) -> list[str]:
    """Return the names in a stack that are this module's, in order."""
    found = (re.fullmatch(r"tests/jobs/test_stack\.py:\d+ in (\w+)", line) for line in stack)
    return [match[1] for match in found if match]


async def test_a_stack_goes_through_coroutines_and_generators() -> None:
    """Outermost first, down to what is waited for, with the libraries' frames at its end."""
    event = asyncio.Event()
    task = asyncio.create_task(_iterates(event))
    await _suspended()
    stack = stack_of(task)
    assert functions(stack) == ["_iterates", "_yields", "_waits"]
    assert re.fullmatch(r"asyncio/locks\.py:\d+ in wait", stack[-1])
    place = place_of(task)
    assert place is not None
    assert place.endswith("in _waits")
    event.set()
    await task


async def test_a_stack_goes_into_the_tasks_that_are_settled() -> None:
    """What a task waits to finish is a part of where it stands."""
    event = asyncio.Event()
    task = asyncio.create_task(finish(_iterates(event)))
    await _suspended()
    await _suspended()
    stack = stack_of(task)
    assert functions(stack) == ["_iterates", "_yields", "_waits"]
    assert stack[0].startswith("ingest/aio.py:")
    event.set()
    await task


async def test_a_stack_goes_into_the_thread_that_is_at_work(slices: Slices) -> None:
    """A job that hangs in a thread is told by the line in that thread."""
    held = _Held()
    task = asyncio.create_task(slices.run(held.work))
    await asyncio.to_thread(held.entered.wait, DEADLINE_S)
    assert functions(stack_of(task)) == ["work"]
    place = place_of(task)
    assert place is not None
    assert place.endswith("in work")
    held.let_go.set()
    await task


async def test_what_is_done_stands_nowhere() -> None:
    """A task that has ended has no stack, and a thread that is gone has no place."""
    task = asyncio.create_task(asyncio.sleep(0))
    await task
    assert stack_of(task) == []
    assert place_of(task) is None
    assert place_of_thread(-1) is None


async def test_a_task_that_has_not_begun_stands_at_its_beginning() -> None:
    """Also the first line of a coroutine is a place."""
    task = asyncio.create_task(_waits(asyncio.Event()))
    assert functions(stack_of(task)) == ["_waits"]
    task.cancel()
    await asyncio.wait({task})


async def test_a_stack_goes_into_old_fashioned_generators() -> None:
    """Of a task that stands in nothing but a library the outermost line is the place."""
    task = asyncio.create_task(asyncio.sleep(0))
    await _suspended()
    stack = stack_of(task)
    assert [line.partition(" in ")[2] for line in stack] == ["sleep", "__sleep0"]
    assert all(line.startswith("asyncio/tasks.py:") for line in stack)
    assert place_of(task) == stack[0]
    await task


async def test_code_without_a_file_is_no_place() -> None:
    """What was made while running stands in no source that a person could open."""
    made: dict[str, Any] = {}
    exec(compile("async def made(event):\n    await event.wait()\n", "<made>", "exec"), made)  # noqa: S102 - a test's own

    async def calls(event: asyncio.Event) -> None:
        await made["made"](event)

    event = asyncio.Event()
    task = asyncio.create_task(calls(event))
    await _suspended()
    place = place_of(task)
    assert place is not None
    assert place.endswith("in calls")
    event.set()
    await task


def test_no_garbage_is_collected_while_threads_are_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A collection that begins in the middle can hang CPython 3.11 for ever: it has to wait."""
    real = sys._current_frames

    def look() -> dict[int, FrameType]:
        assert not gc.isenabled()
        return real()

    monkeypatch.setattr(sys, "_current_frames", look)
    assert threading.get_ident() in thread_frames()
    assert gc.isenabled()

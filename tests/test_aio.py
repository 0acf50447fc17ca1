"""Finishing what must not be cut in the middle."""

import asyncio

import pytest

from ingest.aio import finish, settle

DEADLINE_S = 10


async def test_settle_returns_what_the_future_ends_with() -> None:
    """A future that is done already, or that comes to be, gives its result."""
    future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    waiting = asyncio.create_task(settle(future))
    future.set_result(7)
    assert await waiting == 7
    assert await settle(future) == 7


async def test_settle_waits_however_often_it_is_cancelled() -> None:
    """A cancellation, even a second one, is raised only after the future is done."""
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    asked: list[str] = []
    waiting = asyncio.create_task(settle(future, on_cancel=lambda: asked.append("end soon")))
    for times in (1, 2):
        await asyncio.sleep(0)
        waiting.cancel()
        done, _ = await asyncio.wait({waiting}, timeout=0)
        assert not done
        await asyncio.sleep(0)
        assert len(asked) == times
    future.set_result(None)
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert not future.cancelled()


async def test_settle_prefers_an_error_to_a_cancellation() -> None:
    """An error of the work is never lost to a cancellation of whoever waits for it."""
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    waiting = asyncio.create_task(settle(future))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.sleep(0)
    future.set_exception(OSError("no space left"))
    with pytest.raises(OSError, match="no space left"):
        await waiting


async def test_finish_runs_work_to_its_end() -> None:
    """Work that has begun ends by itself, although whoever asked for it was cancelled."""
    begun, may_end, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def work() -> None:
        begun.set()
        await may_end.wait()
        ended.set()

    waiting = asyncio.create_task(finish(work()))
    async with asyncio.timeout(DEADLINE_S):
        await begun.wait()
        waiting.cancel()
        await asyncio.sleep(0)
        assert not waiting.done()
        may_end.set()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    assert ended.is_set()


async def test_finish_returns_or_raises_what_the_work_does() -> None:
    """Nobody cancelled: the work's result or its error, and nothing else."""

    async def fail() -> int:
        raise ValueError("seven")

    async def succeed() -> int:
        return 7

    assert await finish(succeed()) == 7
    with pytest.raises(ValueError, match="seven"):
        await finish(fail())

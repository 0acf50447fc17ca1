"""A run that is interrupted at one of its suspension points, in each of the ways there are."""

import asyncio
import sqlite3
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Final

from attrs import define, field

from ingest.errors import ServiceStoppingError
from ingest.jobs.engine import Abandoned, Abandonment, NothingToAbandon, StillStopping
from tests.points.cases import Case
from tests.points.counting import Points, count_in_this_loop, outside_of_runs
from tests.points.records import content, opened
from tests.points.stage import DEADLINE_S, RUNNING, Stage, set_stage

#: So often the event loop turns until whatever is still to come has come.
TURNS: Final = 10


@define(kw_only=True)
class Finding:
    """What one interrupted run showed."""

    #: Whether the run came to the point, and how many it passed in all.
    reached: bool
    passed: int
    #: Whether the caller of the abandon came to its point.
    left: bool = False
    #: How the interrupted execution ended; None where there was none.
    status: str | None = None
    wrong: list[str] = field(factory=list)


async def cancelled(case: Case, path: Path, at: int) -> Finding:
    """Cancel the work at a point, or the starter where there is no work yet."""
    async with set_stage(case, path) as stage:
        count_in_this_loop()

        def interrupt() -> None:
            running = stage.engine.registry.get(stage.instance.id)
            stage.watch_end_of_work()
            (starter if running is None else running.work).cancel()

        points = Points(at, interrupt)
        starter = points.begin(stage.start())
        await _recorded(stage, points)
        await check_nothing_follows(stage, points)
        return await _settled(stage, points, {"COMPLETED", "FAILED"})


async def abandoned(case: Case, path: Path, at: int, leaves_at: int) -> Finding:
    """Abandon at a point, its caller being cancelled at a point of its own; abandon again."""
    async with set_stage(case, path) as stage:
        count_in_this_loop()
        context, callers = outside_of_runs(), list[asyncio.Task[Abandonment]]()
        leaving = Points(leaves_at, lambda: callers[0].cancel())  # noqa: PLW0108  # none is there yet

        def interrupt() -> None:
            stage.watch_end_of_work()
            callers.append(context.run(leaving.begin, stage.abandon()))

        points = Points(at, interrupt)
        starter = points.begin(stage.start())
        if await points.came():
            await asyncio.wait(callers, timeout=DEADLINE_S)
            await _abandon_again(stage, callers[0])
            await check_nothing_follows(stage, points)
        await _ended(stage, points)
        await asyncio.wait({starter})
        finding = await _settled(stage, points, {"COMPLETED", "ABANDONED"})
        finding.left = leaving.reached
        return finding


async def _abandon_again(
    stage: Stage, first: asyncio.Task[Abandonment], *, may_be_stopping: bool = False
) -> None:
    async with asyncio.timeout(DEADLINE_S * 2):
        answers = [await stage.abandon()]
    statuses = [one.status for one in stage.new_executions()]
    if not first.done():
        stage.wrong.append("the first abandon is stuck")
    elif not first.cancelled() and not (
        may_be_stopping and isinstance(first.result(), StillStopping)
    ):
        answers.append(first.result())
    stage.check(
        right=all(isinstance(one, Abandoned | NothingToAbandon) for one in answers),
        otherwise=f"the abandons answered {answers}",
    )
    if any(isinstance(one, Abandoned) for one in answers):
        stage.check(right=statuses == ["ABANDONED"], otherwise=f"{answers}, and {statuses}")
    stage.check(
        right=not set(RUNNING) & set(statuses), otherwise=f"{answers}, and {statuses} on record"
    )
    # Without grace the closed fence is put on record behind the caller's back.
    stage.check_quiet(but_database=may_be_stopping)


async def abandoned_impatiently(case: Case, path: Path, at: int) -> Finding:
    """Abandon at a point without any grace: from the answer on the fence must hold; ask again."""
    async with set_stage(case, path) as stage:
        count_in_this_loop()
        context, callers = outside_of_runs(), list[asyncio.Task[Abandonment]]()
        loop = asyncio.get_running_loop()

        def interrupt() -> None:
            stage.watch_end_of_work()
            callers.append(loop.create_task(stage.abandon(wait_s=0), context=context))

        points = Points(at, interrupt)
        starter = points.begin(stage.start())
        if await points.came():
            await asyncio.wait(callers, timeout=DEADLINE_S)
            answered = content(path)
            await _abandon_again(stage, callers[0], may_be_stopping=True)
            if isinstance(callers[0].result(), StillStopping):
                right = content(path) == answered
                stage.check(right=right, otherwise="items were written behind the fence")
        await _ended(stage, points)
        await asyncio.wait({starter})
        return await _settled(stage, points, {"COMPLETED", "ABANDONED"}, but_database=True)


async def shut_down(case: Case, path: Path, at: int) -> Finding:
    """Begin a shutdown at a point; the next start is another process's."""
    async with set_stage(case, path) as stage:
        count_in_this_loop()
        context, drains = outside_of_runs(), list[asyncio.Task[bool]]()
        loop = asyncio.get_running_loop()

        def interrupt() -> None:
            stage.watch_end_of_work()
            drain = stage.engine.drain(grace_s=DEADLINE_S, by="a test")
            drains.append(loop.create_task(drain, context=context))

        points = Points(at, interrupt)
        starter = points.begin(stage.start())
        if await points.came():
            await asyncio.wait(drains, timeout=DEADLINE_S * 2)
            stage.check(right=drains[0].done() and drains[0].result(), otherwise="not drained")
            statuses = [one.status for one in stage.new_executions()]
            right = not set(RUNNING) & set(statuses)
            stage.check(right=right, otherwise=f"drained, and {statuses} on record")
            stage.check_quiet()
            await check_nothing_follows(stage, points)
        await _ended(stage, points)
        await asyncio.wait({starter})
        refused = isinstance(starter.exception(), ServiceStoppingError)
        stage.check(
            right=refused or starter.exception() is None,
            otherwise=f"the start raised {starter.exception()!r}",
        )
        stage.check_ended({"COMPLETED", "STOPPED"}, may_be_none=refused)
        finding = Finding(
            reached=points.reached, passed=points.passed, status=_status(stage), wrong=stage.wrong
        )
    async with set_stage(case, path, anew=False) as after:
        await after.check_next_run()
        after.check_quiet()
    finding.wrong += after.wrong
    return finding


#: Each way of interrupting a run that this process survives.
INTERRUPTIONS: Final[dict[str, Callable[[Case, Path, int], Coroutine[Any, Any, Finding]]]] = {
    "cancel": cancelled,
    "shutdown": shut_down,
    "abandon without grace": abandoned_impatiently,
}


async def check_nothing_follows(stage: Stage, points: Points) -> None:
    """Check that from now on, when an end has been told, nothing is written any more."""
    with opened(stage.path) as connection:
        version = _version(connection)
        # The starter, which has its answer too, may have some steps to go: but nothing to write.
        await _ended(stage, points)
        for _ in range(TURNS):
            await asyncio.sleep(0)
        stage.check(right=_version(connection) == version, otherwise="written after the end")


async def _recorded(stage: Stage, points: Points) -> None:
    """Wait until the run's recorder has ended."""
    while left := points.left():
        running = stage.engine.registry.get(stage.instance.id)
        if running is not None:
            await asyncio.wait({running.recorder}, timeout=DEADLINE_S)
            return
        await asyncio.wait(left, return_when=asyncio.FIRST_COMPLETED)


async def _ended(stage: Stage, points: Points) -> None:
    stuck = await points.ended(deadline_s=DEADLINE_S)
    stage.check(right=not stuck, otherwise=f"stuck: {stuck}")


async def _settled(
    stage: Stage, points: Points, allowed: set[str], *, but_database: bool = False
) -> Finding:
    """Check everything behind a run that has ended, and start again."""
    stage.check_ended(allowed)
    stage.check_quiet(but_database=but_database)
    finding = Finding(
        reached=points.reached, passed=points.passed, status=_status(stage), wrong=stage.wrong
    )
    if not points.left():
        await stage.check_next_run()
        stage.check_quiet(but_database=but_database)
    return finding


def _status(stage: Stage) -> str | None:
    return next((one.status for one in stage.new_executions()), None)


def _version(connection: sqlite3.Connection) -> int:
    # Changes whenever any other connection commits.
    return int(connection.execute("PRAGMA data_version").fetchone()[0])

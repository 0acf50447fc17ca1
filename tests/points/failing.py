"""A run of which a statement fails, or all from one on until the cause is gone."""

import asyncio
from contextlib import suppress
from enum import Enum
from pathlib import Path
from typing import Final

from attrs import define, field

from ingest.errors import (
    DatabaseUnavailableError,
    EndNotRecordedError,
    JobAlreadyRunningError,
)
from ingest.jobs.engine import NothingToAbandon, StillStopping
from tests.points.cases import Case
from tests.points.counting import Points, count_in_this_loop
from tests.points.faults import Fault, Faults
from tests.points.interruptions import check_nothing_follows
from tests.points.records import content
from tests.points.stage import DEADLINE_S, Stage, set_stage
from tests.points.truth import violations

#: How long a job tries again that is to outlast a fault; the waits between are left out.
PATIENCE_S: Final = 60.0

#: A lasting fault is taken away at the latest when so many statements have failed.
FAILURES_MAX: Final = 40


class Lasts(Enum):
    """How long a fault goes on, and what the engine is told to make of that."""

    ONCE = "once"
    #: For longer than a job tries again.
    ON = "from then on"
    #: Not as long as a job tries again.
    A_WHILE = "for a while"


@define(kw_only=True)
class Failed:
    """What one run with a fault showed."""

    statements: int
    #: The statement that failed first; None where the run came to its end before.
    hit: str | None
    #: How the execution ended; None where the start was refused.
    status: str | None
    wrong: list[str] = field(factory=list)


async def failing(case: Case, path: Path, fault: Fault, at: int, lasts: Lasts) -> Failed:
    """Run the job while a fault happens to its *at*-th statement; take the cause away; repair."""
    loop, failed = asyncio.get_running_loop(), asyncio.Event()
    faults = Faults(
        fault=fault,
        at=at,
        lasting=lasts is not Lasts.ONCE,
        told=lambda: loop.call_soon_threadsafe(failed.set),
    )
    retry_for_s = 0 if lasts is Lasts.ON else PATIENCE_S
    with faults.installed():
        async with set_stage(case, path, retry_for_s=retry_for_s) as stage:
            return await _fail(stage, faults, failed)


async def _fail(stage: Stage, faults: Faults, failed: asyncio.Event) -> Failed:
    count_in_this_loop()
    points = Points(None, lambda: None)
    faults.arm()
    starter = points.begin(stage.start())
    in_vain = 0
    if faults.lasting:
        try:
            await _until_nothing_moves(stage, points, faults, failed)
        except TimeoutError:
            stage.wrong.append(f"neither at its end nor waiting for it: {points.left()}")
        if faults.hit is not None:
            in_vain += await _start_meanwhile(stage)
            await _abandon_meanwhile(stage)
    else:
        await _until_ended(stage, points)
    faults.lift()
    await _until_ended(stage, points)
    await check_nothing_follows(stage, points)
    started = _started(stage, starter, faults.fault)
    in_vain += started is None
    status = _check_end(stage, faults.fault, started=started, in_vain=in_vain)
    # An abandon that found the end unwritten may still put its closed fence on record.
    stage.check_quiet(but_database=True)
    await stage.check_next_run()
    stage.check_quiet(but_database=True)
    return Failed(statements=faults.statements, hit=faults.hit, status=status, wrong=stage.wrong)


async def _until_nothing_moves(
    stage: Stage, points: Points, faults: Faults, failed: asyncio.Event
) -> None:
    """Wait until the run has ended, or what is left of it only waits for the database."""
    async with asyncio.timeout(DEADLINE_S):
        while left := points.left():
            running = stage.engine.registry.get(stage.instance.id)
            if running is not None and running.unrecorded is not None:
                return
            if faults.failures >= FAILURES_MAX:
                return
            failed.clear()
            hit = asyncio.ensure_future(failed.wait())
            await asyncio.wait({hit, *left}, return_when=asyncio.FIRST_COMPLETED)
            hit.cancel()
            with suppress(asyncio.CancelledError):
                await hit


async def _start_meanwhile(stage: Stage) -> bool:
    """Start while the fault lasts; return whether the database refused, as it must in the end."""
    running = stage.engine.registry.get(stage.instance.id)
    over = running is not None and running.work.done()
    try:
        await stage.start()
    except JobAlreadyRunningError as error:
        stage.check(
            right=running is not None and not over,
            otherwise=f"while the fault lasts a start is answered 409 without any work: {error}",
        )
    except EndNotRecordedError as error:
        stage.check(right=over, otherwise=f"while the work goes on: {error}")
    except DatabaseUnavailableError as error:
        right = running is None or running.recorder.done()
        stage.check(right=right, otherwise=f"beside a running job: {error}")
        return True
    except Exception as error:  # noqa: BLE001  # whatever it is, it is told
        stage.wrong.append(f"while the fault lasts a start raises {error!r}")
    else:
        stage.wrong.append("while the fault lasts a start succeeds")
    return False


async def _abandon_meanwhile(stage: Stage) -> None:
    """Abandon work that is over, while its end cannot be written."""
    running = stage.engine.registry.get(stage.instance.id)
    if running is None or not running.work.done():
        return
    became = await stage.abandon(wait_s=0.01)
    if isinstance(became, StillStopping):
        right = became.unrecorded is not None
    else:  # an end of which the database said that it failed, although it was committed
        right = became == NothingToAbandon() and running.recorder.done()
    stage.check(right=right, otherwise=f"while the end cannot be written an abandon says {became}")


async def _until_ended(stage: Stage, points: Points) -> None:
    stuck = await points.ended(deadline_s=DEADLINE_S)
    stage.check(right=not stuck, otherwise=f"stuck: {stuck}")


def _started(stage: Stage, starter: asyncio.Task[int], fault: Fault) -> int | None:
    """Return the id that the start was answered with; None if it was refused."""
    if not starter.done():
        return None
    error = starter.exception()
    if error is None:
        return starter.result()
    right = isinstance(error, DatabaseUnavailableError) and fault.message in str(error)
    stage.check(right=right, otherwise=f"the start was refused with {error!r}")
    return None


def _check_end(stage: Stage, fault: Fault, *, started: int | None, in_vain: int) -> str | None:
    """Check the record once the cause is gone; return how the execution ended that was started.

    A start that was refused may have left an execution that nobody runs, if its COMMIT was
    carried out all the same: that it is settled is seen at the next start.
    """
    before, now = stage.case.before, content(stage.path)
    found = {one.row["job_execution_id"]: one for one in stage.new_executions()}
    own = None if started is None else found.pop(started, None)
    idle = [one for one in found.values() if not one.logged and not one.progress]
    stage.check(
        right=len(idle) == len(found) <= in_vain,
        otherwise=f"beside {started} there are {[one.row for one in found.values()]}",
    )
    if own is None:
        stage.check(right=started is None, otherwise=f"{started} is not on record")
        stage.check(right=now == before, otherwise="written, though the start was refused")
        return None
    allowed = {"COMPLETED", "FAILED"}
    stage.wrong += violations(stage.case, own, before=before, now=now, allowed=allowed)
    right = own.status != "FAILED" or fault.message in own.message
    stage.check(right=right, otherwise=f"does not name the cause: {own.message[:300]}")
    return own.status

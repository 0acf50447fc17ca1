"""A program that kills a process at every suspension point of its run, and lets another recover.

It holds nothing open and has one thread, so that it may fork: a child for each run that is killed,
and one for the new owner of what that has left. A line of JSON for each job tells what was seen.
"""

import asyncio
import json
import os
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

import structlog

from ingest.storage.executions import ExecutionStore
from ingest.storage.lock import DatabaseLock
from ingest.storage.schema import upgrade
from tests.points.cases import JOBS, Case
from tests.points.counting import Points, count_in_this_loop
from tests.points.records import content, executions
from tests.points.stage import DEADLINE_S, RUNNING, put_database, set_stage

#: A child that takes longer is stuck, and ends itself.
CHILD_S: Final = 20

_ORPHAN: Final = "the service ended while this execution was running"


def main(folder: Path, work: Path, numbers: Iterable[int]) -> None:
    """Go through the points with these numbers, for each job until a run comes to no such point."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    for name in JOBS:
        case, path = Case.load(folder, name), work / f"{name}.db"
        statuses: Counter[str] = Counter()
        wrong: list[str] = []
        began = time.monotonic()
        for number in numbers:
            put_database(case, path)
            killed, seen = _in_a_child(lambda: asyncio.run(_run(case, path, number)))  # noqa: B023
            if killed == 0:
                break
            if killed != -signal.SIGKILL:
                wrong.append(f"point {number}: the process to be killed ended by itself: {killed}")
                continue
            ended, found = _in_a_child(lambda: asyncio.run(_recover(case, path)))  # noqa: B023
            if ended != 0:
                wrong.append(f"point {number}: the new owner ended with {ended}")
                continue
            statuses[found["status"]] += 1
            wrong += [f"point {number}: {one}" for one in found["wrong"]]
        sys.stdout.write(
            json.dumps(
                {
                    "job": name,
                    "points": seen,
                    "statuses": statuses,
                    "wrong": wrong,
                    "took_s": time.monotonic() - began,
                }
            )
            + "\n"
        )


async def _run(case: Case, path: Path, at: int) -> int:
    """Run the job until the process is killed at a point; return how many there were."""
    lock = DatabaseLock(path)
    await lock.acquire()
    async with set_stage(case, path, anew=False) as stage:
        count_in_this_loop()
        points = Points(at, lambda: os.kill(os.getpid(), signal.SIGKILL))
        await asyncio.wait({points.begin(stage.start())})
        await points.ended(deadline_s=DEADLINE_S)
        return points.passed


async def _recover(case: Case, path: Path) -> dict[str, Any]:
    """Become the owner of what was left, as the service does; start the job again at once."""
    lock = DatabaseLock(path)
    await lock.acquire()
    left, found = content(path), executions(path)[case.executions :]
    running = [one.row["job_execution_id"] for one in found if one.status in RUNNING]
    async with set_stage(case, path, anew=False) as stage:
        await upgrade(stage.database)
        recovered = await ExecutionStore(stage.database).recover(actor="service")
        stage.check(right=recovered == running, otherwise=f"recovered {recovered}, not {running}")
        now = stage.check_ended({"COMPLETED", "FAILED"}, may_be_none=True)
        stage.check(right=now == left, otherwise="the recovery has changed items")
        after = stage.new_executions()
        for one in after:
            is_orphan = one.row["job_execution_id"] in running
            right = is_orphan == (one.status == "FAILED") == one.message.startswith(_ORPHAN)
            stage.check(right=right, otherwise=f"{one.status} after the end: {one.message}")
        await stage.check_next_run()
        stage.check_quiet()
    lock.release()
    return {"status": after[0].status if after else "none", "wrong": stage.wrong}


def _in_a_child(work: Callable[[], Any]) -> tuple[int, Any]:
    """Run *work* in a forked process; return its exit code, negative a signal's, and its result."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.close(reader)
            signal.alarm(CHILD_S)
            os.write(writer, json.dumps(work()).encode())
            code = 0
        except BaseException:  # noqa: BLE001  # the end of a process, which tells why
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        result = pipe.read()
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return code, json.loads(result) if code == 0 else None


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), range(int(sys.argv[3]), 100_000, int(sys.argv[4])))

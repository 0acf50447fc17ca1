"""One engine on a copy of a case's database, and what every interruption is followed by."""

import asyncio
import shutil
import threading
from collections.abc import AsyncIterator, Collection, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from attrs import define, field

from ingest.bank.folder import FolderBank
from ingest.items.job import Job
from ingest.jobs.engine import Abandonment
from ingest.jobs.local import LocalEngine
from ingest.model.job import JobInstance, JobParameters
from ingest.storage.database import Database
from ingest.storage.executions import ExecutionStore
from tests.points.cases import Case
from tests.points.records import Content, Execution, content, executions
from tests.points.truth import violations
from tests.support.bank_calls import threads_at_work
from tests.support.job_bench import ASK

#: Nothing takes longer, or it is stuck.
DEADLINE_S: Final = 8.0

BUSY_TIMEOUT_S: Final = 0.05

#: A thread that has been told to end is not waited for any longer.
LAST_BREATH_S: Final = 2.0

RUNNING: Final = ("STARTING", "STARTED", "STOPPING")


@define(eq=False, kw_only=True)
class Stage:
    """An engine, its database, and the job that it is to run."""

    case: Case
    path: Path
    database: Database
    engine: LocalEngine
    instance: JobInstance
    job: Job
    wrong: list[str] = field(factory=list)

    def start(self) -> Coroutine[Any, Any, int]:
        """Start the job."""
        return self.engine.start(self.instance, self.job, ASK, JobParameters())

    def abandon(self, *, wait_s: float = DEADLINE_S) -> Coroutine[Any, Any, Abandonment]:
        """Abandon the job."""
        return self.engine.abandon(self.instance, ASK, wait_s=wait_s)

    def check(self, *, right: bool, otherwise: str) -> None:
        """Note something wrong."""
        if not right:
            self.wrong.append(otherwise)

    def new_executions(self) -> list[Execution]:
        """Return the executions that are on record since the stage was set."""
        return executions(self.path)[self.case.executions :]

    def check_ended(self, allowed: Collection[str], *, may_be_none: bool = False) -> Content:
        """Check the one execution that there is, and what it has written; return the content."""
        now, found = content(self.path), self.new_executions()
        if not found and may_be_none:
            self.check(right=now == self.case.before, otherwise="written without an execution")
        elif len(found) != 1:
            self.wrong.append(f"{len(found)} executions on record, not one")
        else:
            self.wrong += violations(
                self.case, found[0], before=self.case.before, now=now, allowed=allowed
            )
        return now

    def check_quiet(self, *, but_database: bool = False) -> None:
        """Check that nothing is at work any more, *but_database* threads if it is to be so."""
        self.check(right=self.engine.registry.all() == [], otherwise="the registry is not empty")
        busy = self._slices() if but_database else threads_at_work()
        self.check(right=not busy, otherwise=f"threads are at work: {busy}")

    def watch_end_of_work(self) -> None:
        """Check, at the moment when the work that runs has ended, that no thread of it has not."""
        running = self.engine.registry.get(self.instance.id)
        if running is not None and not running.work.done():
            running.work.add_done_callback(lambda _: self._check_slices())

    def _check_slices(self) -> None:
        busy = self._slices()
        self.check(right=not busy, otherwise=f"the work has ended, but not its threads: {busy}")

    def _slices(self) -> list[str]:
        return [name for name in threads_at_work() if name.startswith("slices")]

    async def check_next_run(self) -> None:
        """Start again: it must work at once, run to COMPLETED and leave what a clean run leaves."""
        before, known = content(self.path), len(executions(self.path))
        try:
            execution_id = await self.start()
        except Exception as error:  # noqa: BLE001  # whatever it is, it is told
            self.wrong.append(f"the next start was refused: {error!r}")
            return
        running = self.engine.registry.get(self.instance.id)
        if running is not None:
            await asyncio.wait({running.recorder}, timeout=DEADLINE_S)
        now, found = content(self.path), executions(self.path)[known:]
        self.check(right=now == self.case.after, otherwise="the next run left other content")
        if [one.row["job_execution_id"] for one in found] != [execution_id]:
            self.wrong.append(f"the next start put {len(found)} executions on record")
            return
        self.wrong += violations(self.case, found[0], before=before, now=now, allowed={"COMPLETED"})
        still = [one.row["job_execution_id"] for one in executions(self.path) if _runs(one)]
        self.check(right=not still, otherwise=f"executions {still} run for ever")


def _runs(execution: Execution) -> bool:
    return execution.status in RUNNING


@asynccontextmanager
async def set_stage(
    case: Case,
    path: Path,
    *,
    anew: bool = True,
    retry_for_s: float = 0,
) -> AsyncIterator[Stage]:
    """Open an engine on the database at *path*: *anew* on a copy of the case's."""
    if anew:
        put_database(case, path)
    threads = set(threading.enumerate())
    database, bank = Database(path, busy_timeout_s=BUSY_TIMEOUT_S), FolderBank(case.bank)
    wrong: list[str] = []
    try:
        job = case.job(bank)
        instances = await ExecutionStore(database).instances()
        (instance,) = [one for one in instances if one.name == job.name]
        yield Stage(
            case=case,
            path=path,
            database=database,
            engine=LocalEngine(database, retry_for_s=retry_for_s),
            instance=instance,
            job=job,
            wrong=wrong,
        )
    finally:
        await bank.aclose()
        await database.close()
    for thread in set(threading.enumerate()) - threads:
        thread.join(LAST_BREATH_S)
        if thread.is_alive():
            wrong.append(f"the thread {thread.name} outlives the database")


def put_database(case: Case, path: Path) -> None:
    """Put a fresh copy of the case's database at *path*."""
    # A new file, not the old one rewritten: whatever may still hold that one must not see it.
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    shutil.copyfile(case.prepared, path)

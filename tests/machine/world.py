"""The service's process as the machine sees it: engine, database, jobs, and those who ask."""

import sqlite3
from collections.abc import Coroutine, Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any, Final

from attrs import define, field

from ingest.jobs.local import LocalEngine
from ingest.model.job import (
    Ask,
    EventName,
    JobParameters,
    JobStatus,
)
from ingest.storage.database import Database
from ingest.storage.executions import ExecutionStore
from tests.machine.jobs import CommandedJob
from tests.machine.model import (
    RECORDED_S,
    START_S,
    Asked,
    Execution,
    Kind,
)
from tests.machine.record import Record
from tests.machine.sight import Sight, reason_of
from tests.machine.stepped import Commit

#: How long jobs try what the database refuses.
RETRY_FOR_S: Final = 2.0
#: More calls than anything that is asked of the service needs.
_FOR_EVER: Final = 3000


@define(eq=False)
class World(Sight):
    """One process after another on a database, with all that anybody knows of it."""

    _numbers: Iterator[int] = field(factory=count)

    def open(self, path: Path) -> list[int]:
        """Let a process own the database, as the service does when it starts."""
        self.record = Record(path)
        self._seen = -1
        self.database = Database(path, busy_timeout_s=0)
        store = ExecutionStore(self.database)
        recovered: list[int] = self.run(store.recover(actor="service"))
        self.instances = self.run(store.instances())
        self.engine = LocalEngine(self.database, retry_for_s=RETRY_FOR_S)
        self.draining = self.drained = False
        self.look()
        return recovered

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run something to its end, with nothing else going on."""
        task = self.loop.create_task(work)
        self.loop.run_ready()
        while not task.done():
            assert self.disk.busy, "it waits for something that does not come"
            self.disk.carry_out()
            self.loop.run_ready()
        return task.result()

    # What goes on by itself.

    def step(self, choice: int = 0) -> bool:
        """Let one call to the database be carried out; return whether there was one."""
        if not self.disk.busy:
            return False
        if self.troubled:
            self.free_since_s = self.loop.time()
        self.disk.carry_out(choice)
        self.look()
        return True

    def step_to_write(self) -> None:
        """Let everything go on until a transaction that may write is next."""
        for _ in range(_FOR_EVER):
            if self.disk.write_is_next or not self.step():
                break

    def settle(self) -> None:
        """Let everything go on until it waits for time or for a command."""
        for _ in range(_FOR_EVER):
            if not self.step():
                break
        else:
            raise AssertionError("the database gets no rest")
        self.look_at_rest()

    def pass_time(self, seconds: float) -> None:
        """Let time pass, and everything go on meanwhile."""
        until = self.loop.time() + seconds
        self.settle()
        for _ in range(_FOR_EVER):
            timer = self.loop.next_timer()
            if timer > until:
                break
            self.loop.turn_clock(timer)
            self.look()
            self.settle()
        self.loop.turn_clock(until)
        self.look()
        self.settle()

    def stall(self, seconds: float) -> None:
        """Let time pass while the disk carries out nothing."""
        for asked in self.asked:
            asked.answer_by_s += seconds
        self.loop.turn_clock(self.loop.time() + seconds)
        self.look()

    # What is asked.

    def start(self, instance_id: int, job: CommandedJob) -> None:
        """Ask for a start."""
        by = f"starter {next(self._numbers)}"
        self.jobs[by] = job
        instance = next(one for one in self.instances if one.id == instance_id)
        asking = self.engine.start(instance, job, Ask(by), JobParameters())
        self._ask(Kind.START, by, asking, instance_id)

    def abandon(self, instance_id: int, *, wait_s: float, names: int | None) -> None:
        """Ask for an abandon."""
        by = f"abandoner {next(self._numbers)}"
        instance = next(one for one in self.instances if one.id == instance_id)
        asking = self.engine.abandon(instance, Ask(by), wait_s=wait_s, execution_id=names)
        self._ask(Kind.ABANDON, by, asking, instance_id, wait_s=wait_s, names=names)

    def drain(self, *, grace_s: float) -> None:
        """Ask for the end of the service."""
        by = f"signal {next(self._numbers)}"
        self._ask(Kind.DRAIN, by, self.engine.drain(grace_s=grace_s, by=by), None, wait_s=grace_s)
        self.draining = True

    def hang_up(self, asked: Asked) -> None:
        """Let somebody go away who waits for an answer."""
        asked.hung_up = True
        asked.task.cancel()
        self.look()

    def _ask(
        self,
        kind: Kind,
        by: str,
        asking: Coroutine[Any, Any, object],
        instance_id: int | None,
        *,
        wait_s: float = 0.0,
        names: int | None = None,
    ) -> None:
        starts = [one for one in self.asked if one.kind is Kind.START]
        now_s = self.loop.time()
        asked = Asked(
            kind=kind,
            by=by,
            instance_id=instance_id,
            task=self.loop.create_task(asking),
            at_s=now_s,
            wait_s=wait_s,
            answer_by_s=now_s + wait_s + START_S * (len(starts) + 1) + 0.1,
            names=names,
            ran=self.running(instance_id),
            unclear=any(instance_id in {None, one.instance_id} for one in starts),
            draining=self.draining,
        )
        asked.ran_over = asked.ran is not None and asked.ran.over
        for execution in self.executions.values():
            if execution.alive and not asked.unclear and self.concerns(asked, execution):
                execution.told.add(reason_of(kind))
        self.meet(asked)
        self.asked.append(asked)
        self.look()

    # What others do.

    def lock_database(self) -> None:
        """Let somebody else hold the write lock, if nobody does."""
        other = sqlite3.connect(self.record.path, isolation_level=None, timeout=0)
        try:
            other.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            other.close()
            return
        self.lock = other
        self.free_since_s = float("inf")
        self.look()

    def unlock_database(self) -> None:
        """Let them give it back."""
        if self.lock is not None:
            self.lock.close()
            self.lock = None
            self.free_since_s = self.loop.time()

    def spoil_commit(self, how: Commit) -> None:
        """Let the next commit be answered with an error."""
        self.disk.next_commit = how
        self.look()

    def edit(self, execution: Execution, status: JobStatus) -> bool:
        """Let a person end a row by hand; return whether that was possible."""
        if not self.record.edit(execution.id, status):
            return False
        execution.by_hand = True
        execution.seal()
        self._seen = -1
        self.look()
        return True

    def crash(self) -> list[int]:
        """Let the process die at this point, and another take its place; return the orphans."""
        image = self.folder / f"after {next(self._numbers)}.db"
        self.record.copy_to(image)
        self.record.close()
        orphans = [one.id for one in self.rows.values() if not one.ended]
        for execution in self.executions.values():
            execution.die()
        self._bury()
        recovered = self.open(image)
        assert sorted(recovered) == orphans
        for execution_id in orphans:
            row = self.rows[execution_id]
            assert row.status is JobStatus.FAILED
            assert row.actors(EventName.RECOVERED) == ["service"]
        assert self.engine.registry.all() == []
        return recovered

    def close(self) -> None:
        """Let everything end."""
        self.record.close()
        self._bury()
        self.loop.close()

    def _bury(self) -> None:
        # The dead process' tasks come to their ends on the file that it alone had.
        self.unlock_database()
        self.disk.next_commit = Commit.CARRIED_OUT
        for asked in self.asked:
            asked.task.cancel()
        for job in self.jobs.values():
            job.release()
        drain = self.loop.create_task(self.engine.drain(grace_s=RECORDED_S, by="death"))
        tasks = [drain, *(one.task for one in self.asked)]
        self.loop.run_ready()
        while not all(one.done() for one in tasks) or self.disk.busy:
            if self.disk.busy:
                self.disk.carry_out()
            else:
                self.loop.turn_clock(self.loop.next_timer())
            for job in self.jobs.values():
                job.release()
            self.loop.run_ready()
        for asked in self.asked:
            with suppress(BaseException):
                asked.task.result()
        assert drain.result(), "the dead do not rest"
        self.run(self.database.close())
        self.asked.clear()
        self.jobs.clear()

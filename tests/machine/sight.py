"""What can be seen of the service's process and its database, and whether all of it is right."""

import sqlite3
from collections import Counter
from pathlib import Path

from attrs import define, field

from ingest.jobs.local import LocalEngine
from ingest.jobs.registry import RunningJob
from ingest.model.job import RESUMABLE, EventName, JobInstance, StopReason
from ingest.storage.database import Database
from tests.machine.jobs import CommandedJob
from tests.machine.model import RECORDED_S, Asked, Execution, Kind, check_rested
from tests.machine.record import Record, Row, check_change, check_row, check_rows
from tests.machine.stepped import Commit, Disk, SteppedLoop


@define(eq=False)
class Sight:
    """One process after another on a database, and all that anybody knows of it."""

    folder: Path
    answers: Counter[str]
    loop: SteppedLoop = field(factory=SteppedLoop)
    disk: Disk = field(factory=Disk)
    executions: dict[int, Execution] = field(factory=dict)
    asked: list[Asked] = field(factory=list)
    rows: dict[int, Row] = field(factory=dict)
    draining: bool = False
    #: Somebody was told that all has ended.
    drained: bool = False
    #: Holds the database's write lock when there is one.
    lock: sqlite3.Connection | None = None
    #: Since when the database could be written.
    free_since_s: float = 0.0
    instances: tuple[JobInstance, ...] = ()
    #: The jobs that were given to starts, by who asked.
    jobs: dict[str, CommandedJob] = field(factory=dict)
    database: Database = field(init=False)
    engine: LocalEngine = field(init=False)
    record: Record = field(init=False)
    _seen: int = -1

    @property
    def troubled(self) -> bool:
        """Whether the database refuses something now, or is about to."""
        return self.lock is not None or self.disk.next_commit is not Commit.CARRIED_OUT

    @staticmethod
    def concerns(asked: Asked, execution: Execution) -> bool:
        """Return whether it asks for the end of an execution."""
        if asked.kind is Kind.ABANDON:
            here = execution.running.instance.id == asked.instance_id
            return here and asked.names in {None, execution.id}
        return asked.kind is Kind.DRAIN

    def running(self, instance_id: int | None) -> Execution | None:
        """Return the execution that an instance's process knows as running."""
        found = None if instance_id is None else self.engine.registry.get(instance_id)
        return None if found is None else self.executions[found.execution_id]

    def look(self) -> None:
        """Let run what is ready, and check all that can be seen."""
        self.loop.run_ready()
        assert self.loop.complaints == []
        for running in self.engine.registry.all():
            if running.execution_id not in self.executions:
                self._met_execution(running.execution_id, running)
        for asked in self.asked:
            asked.met_trouble |= self.troubled
            asked.met_drain |= self.draining
            self.meet(asked)
        for execution in self.executions.values():
            if not execution.gone:
                execution.over = execution.running.work.done()
                execution.met_trouble |= self.troubled
        self._look_at_record()
        for execution in self.executions.values():
            execution.check()
        answered = [one for one in self.asked if one.task.done()]
        self.asked = [one for one in self.asked if not one.task.done()]
        for asked in answered:
            name = asked.check_answer(self.executions, self.loop.time())
            self.answers[f"{asked.kind.value}: {name}"] += 1
            self.drained |= (asked.kind, name) == (Kind.DRAIN, "True")
        if self.drained:
            assert self.engine.registry.all() == [], "something runs after all had ended"

    def look_at_rest(self) -> None:
        """Check what must have come about when nothing is under way any more."""
        calm = self.loop.time() >= self.free_since_s + RECORDED_S and not self.troubled
        check_rested(self.executions.values(), self.asked, self.loop.time(), calm=calm)
        self._check_registry(calm=calm)

    def meet(self, asked: Asked) -> None:
        """Note what runs while something is asked, and what that may do to it."""
        for running in self.engine.registry.all():
            execution = self.executions[running.execution_id]
            if asked.instance_id in {None, running.instance.id}:
                asked.met[execution.id] = execution
            stoppable = not execution.over or execution.told or execution.perhaps
            if stoppable and self.concerns(asked, execution):
                execution.perhaps.add(reason_of(asked.kind))

    def _met_execution(self, execution_id: int, running: RunningJob) -> None:
        self._look_at_record()
        (by,) = self.rows[execution_id].actors(EventName.REQUESTED)
        execution = Execution(id=execution_id, job=self.jobs[by], running=running)
        execution.row = self.rows[execution_id]
        self.executions[execution_id] = execution
        execution.met_trouble = self.troubled

    def _look_at_record(self) -> None:
        seen = self.record.version()
        if seen == self._seen:
            return
        self._seen = seen
        before, self.rows = self.rows, self.record.rows()
        assert before.keys() <= self.rows.keys(), "rows are gone"
        for execution_id, row in self.rows.items():
            execution = self.executions.get(execution_id)
            by_hand = execution is not None and execution.by_hand
            check_row(row)
            check_change(before.get(execution_id), row, by_hand=by_hand)
            if execution is not None:
                execution.row = row
        check_rows(self.rows)
        asked = {by for one in self.rows.values() for by in one.actors(EventName.REQUESTED)}
        assert len(asked) == len(self.rows), "one start has two rows"

    def _check_registry(self, *, calm: bool) -> None:
        """Check that registry and rows agree, when nothing is under way."""
        starting = {one.instance_id for one in self.asked if one.kind is Kind.START}
        held = {one.execution_id for one in self.engine.registry.all()}
        for row in self.rows.values():
            # What a start that failed may have left is settled, unless the service ends first.
            settled = calm and not self.draining and row.instance_id not in starting
            if settled and not row.ended:
                assert row.id in held, "on record as running, but nobody runs it"
        for execution_id in held:
            one = self.executions[execution_id]
            assert one.alive or not one.recorded or not calm, "over and recorded, but still held"
            self._check_checkpoint(one)

    def _check_checkpoint(self, one: Execution) -> None:
        earlier = [
            row
            for row in self.rows.values()
            if row.id < one.id and row.instance_id == one.running.instance.id
        ]
        last = max(earlier, key=lambda row: row.id, default=None)
        resumes = last is not None and one.job.resumable and last.status in RESUMABLE
        if one.job.runs:
            assert one.job.checkpoint == (last.checkpoint if last and resumes else None)


def reason_of(kind: Kind) -> StopReason:
    """Return why something is stopped for which such a thing is asked."""
    return StopReason.REQUEST if kind is Kind.ABANDON else StopReason.SHUTDOWN

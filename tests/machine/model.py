"""What must be true of job control: the executions and asks there are, and which answers are right.

Small on purpose, and in other words than the code: it knows nothing of gates, recorders or fences.
"""

import asyncio
from collections.abc import Iterable
from enum import Enum

from attrs import define, field

from ingest.errors import (
    DatabaseUnavailableError,
    EndNotRecordedError,
    ExecutionNotRunningError,
    JobAlreadyRunningError,
    ServiceStoppingError,
    StartPendingError,
)
from ingest.jobs.engine import Abandoned, NothingToAbandon, StillStopping
from ingest.jobs.local import START_S as PENDING_S
from ingest.jobs.local import STARTING_S
from ingest.jobs.registry import RunningJob
from ingest.model.job import EventName, JobStatus, StopReason
from tests.machine.jobs import CommandedJob, Fate
from tests.machine.record import Row

#: How long a start may wait for an end to be recorded, and how long that takes at the most, once
#: the database can be written.
START_S = 1.0
RECORDED_S = 5.0


class Kind(Enum):
    """What can be asked for."""

    START = "start"
    ABANDON = "abandon"
    DRAIN = "drain"


@define(eq=False, kw_only=True)
class Execution:
    """An execution, as far as it can be known from outside."""

    id: int
    job: CommandedJob
    running: RunningJob
    row: Row | None = None
    #: Somebody ended its row.
    by_hand: bool = False
    #: Whether its work is over.
    over: bool = False
    #: Whether its end may have met a database that was locked.
    met_trouble: bool = False
    #: The reasons for which it was told to stop, and those for which it perhaps was.
    told: set[StopReason] = field(factory=set)
    perhaps: set[StopReason] = field(factory=set)
    #: The writes that there may be for ever after an answer.
    sealed: frozenset[int] | None = None
    #: Its process is gone.
    gone: bool = False

    @property
    def recorded(self) -> bool:
        """Whether its end is on record."""
        return self.row is not None and self.row.ended

    @property
    def alive(self) -> bool:
        """Whether its work goes on."""
        return not self.gone and not self.over

    def may_end_as(self) -> set[JobStatus]:
        """Return how it may be recorded, now that its work is over."""
        work = self.running.work
        if not work.cancelled() and work.exception() is None:
            return {JobStatus.COMPLETED}
        if StopReason.REQUEST in self.told:
            return {JobStatus.ABANDONED}
        may = {JobStatus.ABANDONED} if StopReason.REQUEST in self.perhaps else set()
        if StopReason.SHUTDOWN in self.told | self.perhaps:
            may.add(JobStatus.STOPPED)
        if not self.told:
            may.add(JobStatus.FAILED)
        return may

    def seal(self) -> None:
        """Note that from now on nothing may be written any more."""
        if self.sealed is None:
            self.sealed = frozenset() if self.row is None else self.row.written

    def die(self) -> None:
        """Note that its process is gone."""
        self.seal()
        self.gone = True

    def check(self) -> None:
        """Check what is on record against what is known of the work."""
        if self.row is None:
            return
        assert self.sealed is None or self.row.written == self.sealed, "written after an answer"
        if self.gone:
            return
        assert not self.job.cut, "its wind-down was cut into"
        assert self.job.runs <= 1
        for number, fate in self.job.fates.items():
            if fate is not Fate.UNKNOWN:
                assert (number in self.row.written) is (fate is Fate.WRITTEN), f"{fate}"
        if self.row.written:
            assert self.row.checkpoint == f"write {max(self.row.written)} of {self.id}"
        if self.row.ended and not self.by_hand:
            assert not self.alive, "its end was recorded before it was over"
            assert self.row.status in self.may_end_as(), f"{self.row.status}"


@define(eq=False, kw_only=True)
class Asked:
    """Something that was asked for and has not been answered yet."""

    kind: Kind
    by: str
    instance_id: int | None
    task: "asyncio.Task[object]"
    at_s: float
    wait_s: float = 0.0
    #: When there must be an answer, if nothing else goes on.
    answer_by_s: float = 0.0
    #: The execution that an abandon names.
    names: int | None = None
    #: What ran when it was asked, and what of that was over.
    ran: Execution | None = None
    ran_over: bool = False
    #: Whether a start was under way, so that nobody can know what ran.
    unclear: bool = False
    #: Whether a drain had begun before it, and whether one has since.
    draining: bool = False
    met_drain: bool = False
    #: Whether the database refused something at any time since.
    met_trouble: bool = False
    hung_up: bool = False
    #: Every execution that ran meanwhile.
    met: dict[int, Execution] = field(factory=dict)

    def check_answer(self, executions: dict[int, Execution], now_s: float) -> str:
        """Check the answer that there is; return a name for it."""
        if self.task.cancelled():
            assert self.hung_up, "nobody hung up"
            return "hung up"
        answer = self.task.exception() or self.task.result()
        match self.kind:
            case Kind.START:
                self._check_start(answer, executions, now_s)
            case Kind.ABANDON:
                self._check_abandon(answer, executions, now_s)
            case Kind.DRAIN:
                self._check_drain(answer, now_s)
        return type(answer).__name__ if self.kind is not Kind.DRAIN else str(answer)

    def _check_start(self, answer: object, executions: dict[int, Execution], now_s: float) -> None:
        match answer:
            case int():
                assert not self.draining, "started although a drain had begun"
                started = executions[answer]
                assert started.row is not None, "no row for a start that was answered"
                assert started.row.actors(EventName.REQUESTED) == [self.by]
                assert started.row.instance_id == self.instance_id
            case JobAlreadyRunningError():
                refused = self.met[answer.execution_id]
                assert not (refused is self.ran and self.ran_over), "it was over"
            case EndNotRecordedError():
                refused = self.met[answer.execution_id]
                assert refused.over
                assert refused.met_trouble or now_s >= self.at_s + START_S
            case StartPendingError():
                assert now_s >= self.at_s + PENDING_S
            case ServiceStoppingError():
                assert self.met_drain, "no drain had begun"
            case DatabaseUnavailableError():
                assert self.met_trouble, "the database was free"
            case _:
                raise AssertionError(f"a start was answered by {answer!r}")

    def _check_abandon(
        self, answer: object, executions: dict[int, Execution], now_s: float
    ) -> None:
        match answer:
            case Abandoned():
                one = executions[answer.execution.id]
                assert one.id in self.met
                assert self.names in {None, one.id}
                assert not one.alive, "answered while the work goes on"
                assert one.row is not None
                assert one.row.status is JobStatus.ABANDONED, "answered before it was on record"
                assert answer.execution.status is JobStatus.ABANDONED
                assert one.by_hand or one.row.actors(EventName.STOP_ASKED) != []
                one.seal()
            case StillStopping():
                one = self.met[answer.execution_id]
                assert now_s >= self.at_s + self.wait_s
                assert one.over or answer.unrecorded is None
                assert answer.unrecorded is not None or not (one is self.ran and self.ran_over)
                assert self.unclear or one.told or one.by_hand or self.ran_over
                one.seal()
            case NothingToAbandon():
                for one in [self.ran] if self.ran is not None else self.met.values():
                    assert self.unclear or not one.alive
                    assert self.unclear or one.recorded
                    assert one.row is None or one.row.status is not JobStatus.ABANDONED
            case StartPendingError():
                assert self.unclear, "no start was under way"
                assert now_s >= self.at_s + max(self.wait_s, STARTING_S)
            case ExecutionNotRunningError():
                assert self.names is not None
                assert self.unclear or self.ran is None or self.ran.id != self.names
            case _:
                raise AssertionError(f"an abandon was answered by {answer!r}")

    def _check_drain(self, answer: object, now_s: float) -> None:
        assert isinstance(answer, bool)
        unended = [one for one in self.met.values() if not one.recorded or one.alive]
        if answer:
            assert unended == [], "answered that all had ended"
        else:
            assert now_s >= self.at_s + self.wait_s
            for one in unended:
                one.seal()


def check_rested(
    executions: Iterable[Execution], asked: Iterable[Asked], now_s: float, *, calm: bool
) -> None:
    """Check what must have come about, now that nothing goes on without time or a command.

    Args:
        executions: All there are.
        asked: What has not been answered.
        now_s: The time.
        calm: Whether the database could be written all along for longer than any retry waits.
    """
    for one in asked:
        assert now_s < one.answer_by_s, f"the answer to {one.by} is overdue"
    for execution in executions:
        if calm and execution.over and not execution.gone:
            assert execution.recorded, "its end is still not on record"

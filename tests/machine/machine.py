"""The state machine: what clients, jobs, the clock and the world may do, in any order."""

import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, ClassVar, Final, TypeVar, cast

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ingest.model.job import JobStatus
from tests.machine.jobs import Command, CommandedJob, Script, WhenTold
from tests.machine.model import Execution
from tests.machine.stepped import Commit
from tests.machine.world import World

INSTANCES = st.sampled_from([0, 0, 0, 1])
WAITS = st.sampled_from([30.0, 30.0, 30.0, 0.5, 0.0])
JOBS = st.builds(
    Script, when_told=st.sampled_from(WhenTold), resumable=st.booleans(), prompt=st.booleans()
)
MATURE_STEPS: Final = 8
CHOICES = st.integers(0, 5)

F = TypeVar("F", bound=Callable[..., None])


def _counted(function: F) -> F:
    @wraps(function)
    def counted(self: "JobControlMachine", **drawn: Any) -> None:
        self.steps[function.__name__] += 1
        self.age += 1
        if self.world.lock is not None and self.age > self.locked_until:
            self.world.unlock_database()
        function(self, **drawn)

    return cast("F", counted)


class JobControlMachine(RuleBasedStateMachine):
    """Clients A and B, two job instances, and everything that may come between."""

    #: An empty database with the tests' own table, to be copied.
    template: ClassVar[Path]
    #: Where databases are made.
    folder: ClassVar[Path]
    #: How often each rule was carried out, and each answer was given.
    steps: ClassVar[Counter[str]] = Counter()
    answers: ClassVar[Counter[str]] = Counter()
    programs: ClassVar[int] = 0

    def __init__(self) -> None:
        super().__init__()
        type(self).programs += 1
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        path = folder / "ingest.db"
        shutil.copyfile(self.template, path)
        self.world = World(folder, self.answers)
        self.world.disk.__enter__()
        self.world.open(path)
        #: How many steps the process has had.
        self.age = 0
        self.locked_until = 0
        self.edited = False

    def teardown(self) -> None:
        """Let everything end."""
        self.world.close()
        self.world.disk.__exit__(None, None, None)
        shutil.rmtree(self.world.folder)

    @initialize(job=JOBS)
    @_counted
    def begin_first_start(self, job: Script) -> None:
        """Begin with something that runs."""
        self._start(0, job)
        self.world.settle()

    # Clients.

    @rule(at=INSTANCES, job=JOBS)
    @_counted
    def begin_start(self, at: int, job: Script) -> None:
        """A client asks for a start."""
        self._start(at, job)

    def _start(self, at: int, job: Script) -> None:
        instance_id = self._instance(at, idle_first=True)
        (name,) = [one.name for one in self.world.instances if one.id == instance_id]
        self.world.start(instance_id, CommandedJob(name=name, script=job))

    @rule(at=INSTANCES, wait_s=WAITS, choice=CHOICES)
    @_counted
    def begin_abandon(self, at: int, wait_s: float, choice: int) -> None:
        """A client asks for an abandon, of what runs or of one execution."""
        instance_id = self._instance(at, idle_first=False)
        newest_first = sorted(self.world.rows, reverse=True)
        here = [one for one in newest_first if self.world.rows[one].instance_id == instance_id]
        # Most name nothing, or what runs; one names what may run elsewhere or be over.
        named = {3: here[:1], 4: here[:1], 5: newest_first[1:2]}.get(choice, [])
        self.world.abandon(instance_id, wait_s=wait_s, names=next(iter(named), None))

    @precondition(lambda self: self.world.asked)
    @rule(choice=CHOICES)
    @_counted
    def hang_up(self, choice: int) -> None:
        """A client that waits goes away."""
        self.world.hang_up(self.world.asked[choice % len(self.world.asked)])

    # Jobs.

    @precondition(lambda self: self._alive())
    @rule(choice=CHOICES, command=st.sampled_from(Command))
    @_counted
    def command_job(self, choice: int, command: Command) -> None:
        """A job is told what to do next."""
        self._one(choice).job.commands.put_nowait(command)
        self.world.look()

    @precondition(lambda self: self._alive())
    @rule(choice=CHOICES)
    @_counted
    def let_wind_down_finish(self, choice: int) -> None:
        """A job may wind down, now or later."""
        self._one(choice).job.may_wind_down.set()
        self.world.look()

    # What goes on by itself.

    @precondition(lambda self: self.world.disk.busy)
    @rule(choices=st.lists(CHOICES, min_size=1, max_size=4))
    @_counted
    def step(self, choices: list[int]) -> None:
        """Some transactions are carried out, not always in the order of asking."""
        for choice in choices:
            self.world.step(choice)

    @precondition(lambda self: self.world.disk.busy and not self.world.disk.write_is_next)
    @rule()
    @_counted
    def step_to_write(self) -> None:
        """Everything goes on until a write is next: the moment at which most can go wrong."""
        self.world.step_to_write()

    @precondition(lambda self: self.world.disk.busy)
    @rule()
    @_counted
    def settle(self) -> None:
        """Everything goes on until it waits for time or for a command."""
        self.world.settle()

    @rule(seconds=st.sampled_from([0.02, 0.3, 1.0, 6.0, 31.0]))
    @_counted
    def pass_time(self, seconds: float) -> None:
        """Time passes, and everything goes on meanwhile."""
        self.world.pass_time(seconds)

    @precondition(lambda self: self.world.disk.busy)
    @rule(seconds=st.sampled_from([0.02, 1.0, 31.0]))
    @_counted
    def stall(self, seconds: float) -> None:
        """Time passes while the disk does nothing."""
        self.world.stall(seconds)

    # The world.

    @precondition(lambda self: self.world.lock is None and (self._alive() or self.world.asked))
    @rule(steps=st.integers(1, 6))
    @_counted
    def database_locked(self, steps: int) -> None:
        """Somebody else takes the database's write lock, for so many steps at the most."""
        self.locked_until = self.age + steps
        self.world.lock_database()

    @precondition(lambda self: self.world.lock is not None)
    @rule()
    @_counted
    def database_unlocked(self) -> None:
        """They give it back."""
        self.world.unlock_database()

    @precondition(lambda self: self.world.disk.busy and not self.world.troubled)
    @rule(how=st.sampled_from([Commit.REFUSED, Commit.CARRIED_OUT_WITH_AN_ERROR]))
    @_counted
    def spoil_commit(self, how: Commit) -> None:
        """The next commit will be answered with an error."""
        self.world.spoil_commit(how)

    @precondition(lambda self: not self.edited and self._mature() and self._running())
    @rule(
        choice=CHOICES,
        status=st.sampled_from([JobStatus.FAILED, JobStatus.ABANDONED, JobStatus.COMPLETED]),
    )
    @_counted
    def edit_by_hand(self, choice: int, status: JobStatus) -> None:
        """Somebody ends the row of what runs."""
        running = self._running()
        self.edited = True
        self.world.edit(running[choice % len(running)], status)

    @precondition(lambda self: not self.world.draining and self._mature())
    @rule(grace_s=WAITS)
    @_counted
    def begin_drain(self, grace_s: float) -> None:
        """A signal asks for the end of the service."""
        self.world.drain(grace_s=grace_s)

    @precondition(lambda self: self._mature())
    @rule(at=INSTANCES, job=JOBS)
    @_counted
    def crash(self, at: int, job: Script) -> None:
        """The process dies; the next one finds no obstacle to a start."""
        self.world.crash()
        self.age = 0
        self.edited = False
        self._start(at, job)
        self.world.settle()
        assert self.world.asked == []
        newest = max(self.world.rows)
        assert newest in self.world.executions

    @invariant()
    def what_is_seen_is_right(self) -> None:
        """Nothing is left to run, and all that can be seen was checked; see `World.look`."""
        self.world.look()

    def _instance(self, at: int, *, idle_first: bool) -> int:
        alive = {one.running.instance.id for one in self._alive()}
        ids = [one.id for one in self.world.instances]
        return sorted(ids, key=lambda one: (one in alive) is idle_first)[at]

    def _alive(self) -> list[Execution]:
        return [one for one in self.world.executions.values() if one.alive]

    def _mature(self) -> bool:
        # Else most processes would die before anything had happened.
        return self.world.draining or self.age >= MATURE_STEPS

    def _one(self, choice: int) -> Execution:
        alive = self._alive()
        return alive[choice % len(alive)]

    def _running(self) -> list[Execution]:
        return [one for one in self.world.executions.values() if not one.gone and not one.recorded]

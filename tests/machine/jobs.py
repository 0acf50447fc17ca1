"""A job that does what it is told, by a machine that also tells others what to do with it."""

import asyncio
from enum import Enum, auto

from attrs import define, field, frozen
from sqlalchemy import Connection, text

from ingest.errors import DatabaseUnavailableError, FencedError
from ingest.items.job import JobRun
from ingest.model.job import Counts


class WhenTold(Enum):
    """What a job does when it is told to stop, as soon as it may wind down."""

    WIND_DOWN = auto()
    #: Writes what it has, and winds down.
    WRITE = auto()
    COMPLETE = auto()
    RAISE = auto()
    #: Goes on as if nothing had been said.
    SWALLOW = auto()


class Command(Enum):
    """What a job is to do next."""

    WRITE = auto()
    COMPLETE = auto()
    RAISE = auto()


class Fate(Enum):
    """What a job knows of a write of its own."""

    UNKNOWN = auto()
    WRITTEN = auto()
    REFUSED = auto()


@frozen(kw_only=True)
class Script:
    """How a job is."""

    when_told: WhenTold = WhenTold.WIND_DOWN
    resumable: bool = False
    #: Whether it winds down at once, and not only when it may.
    prompt: bool = True


@define(eq=False, kw_only=True)
class CommandedJob:
    """A job for the machine; see `ingest.items.job.Job`."""

    name: str
    script: Script
    step_name: str = "commandedStep"
    commands: "asyncio.Queue[Command]" = field(factory=asyncio.Queue)
    may_wind_down: asyncio.Event = field(factory=asyncio.Event)
    runs: int = 0
    checkpoint: str | None = None
    #: By the numbers of its writes.
    fates: dict[int, Fate] = field(factory=dict)
    told_to_stop: bool = False
    #: Told to stop once more while it was winding down: nobody may do that.
    cut: bool = False

    def __attrs_post_init__(self) -> None:
        if self.script.prompt:
            self.may_wind_down.set()

    @property
    def resumable(self) -> bool:
        """See `Job.resumable`."""
        return self.script.resumable

    async def run(self, run: JobRun) -> str:
        """See `Job.run`."""
        self.runs += 1
        self.checkpoint = run.checkpoint
        try:
            return await self._obey(run)
        except asyncio.CancelledError:
            self.told_to_stop = True
            try:
                return await self._wind_down(run)
            except asyncio.CancelledError as error:
                self.cut = error.args != ("wound down",)
                raise

    async def _obey(self, run: JobRun) -> str:
        while True:
            match await self.commands.get():
                case Command.WRITE:
                    await self._write(run)
                case Command.COMPLETE:
                    return "Everything was done"
                case Command.RAISE:
                    raise ValueError("no")

    async def _wind_down(self, run: JobRun) -> str:
        await self.may_wind_down.wait()
        match self.script.when_told:
            case WhenTold.COMPLETE:
                return "Everything was done all the same"
            case WhenTold.RAISE:
                raise RuntimeError("the clean-up went wrong")
            case WhenTold.SWALLOW:
                return await self._obey(run)
            case WhenTold.WRITE:
                await self._write(run)
        raise asyncio.CancelledError("wound down")

    async def _write(self, run: JobRun) -> None:
        number = len(self.fates) + 1
        self.fates[number] = Fate.UNKNOWN
        execution_id = run.writer.execution_id

        def work(connection: Connection) -> Counts:
            row = {"execution": execution_id, "number": number}
            connection.execute(text("INSERT INTO written VALUES (:execution, :number)"), row)
            return Counts(created=1)

        try:
            await run.writer.write(
                work,
                processed=1,
                counts=Counts(read=1),
                checkpoint=f"write {number} of {execution_id}",
            )
        except FencedError:
            self.fates[number] = Fate.REFUSED
        except DatabaseUnavailableError:
            # A commit that was answered with an error may have been carried out.
            return
        else:
            self.fates[number] = Fate.WRITTEN

    def release(self) -> None:
        """Let it come to its end, wherever it stands."""
        self.may_wind_down.set()
        if self.commands.empty():
            self.commands.put_nowait(Command.COMPLETE)

"""A job that tells by events how far it is, and does on being told to stop what a test wants."""

import asyncio
from enum import Enum, auto

from attrs import define, field

from ingest.errors import FencedError
from ingest.items.job import JobRun
from ingest.model.job import Counts


class WhenTold(Enum):
    """What a job does when it is told to stop, as soon as it may wind down."""

    WIND_DOWN = auto()
    COMPLETE = auto()
    RAISE = auto()
    #: Goes on as if nothing had been said, and writes; what becomes of the write is in `refused`.
    SWALLOW = auto()


@define(eq=False, kw_only=True)
class ScriptedJob:
    """Runs until it may end or is told to stop; a job for tests, see `ingest.items.job.Job`."""

    when_told: WhenTold = WhenTold.WIND_DOWN
    #: Raised once it may end, in the place of completing.
    failure: Exception | None = None
    name: str = "itemSynchronizationJob"
    step_name: str = "scriptedStep"
    resumable: bool = False
    started: asyncio.Event = field(factory=asyncio.Event)
    may_end: asyncio.Event = field(factory=asyncio.Event)
    told_to_stop: asyncio.Event = field(factory=asyncio.Event)
    may_wind_down: asyncio.Event = field(factory=asyncio.Event)
    #: Set by a job that swallowed its cancellation, after its write.
    has_written: asyncio.Event = field(factory=asyncio.Event)
    #: What the write after being told to stop met.
    refused: FencedError | None = None
    wound_down: bool = False
    runs: int = 0

    async def run(self, run: JobRun) -> str:
        """See `Job.run`."""
        self.runs += 1
        self.started.set()
        try:
            await self.may_end.wait()
        except asyncio.CancelledError:
            self.told_to_stop.set()
            await self.may_wind_down.wait()
            self.wound_down = True
            if self.when_told is WhenTold.RAISE:
                raise RuntimeError("the clean-up went wrong") from None
            if self.when_told is WhenTold.SWALLOW:
                await self._go_on(run)
            if self.when_told is not WhenTold.COMPLETE:
                raise
        if self.failure is not None:
            raise self.failure
        return "Everything was done"

    def release(self) -> None:
        """Let it come to its end, wherever it stands."""
        self.may_wind_down.set()
        self.may_end.set()

    async def _go_on(self, run: JobRun) -> None:
        try:
            await run.writer.write(lambda _: Counts(created=1), processed=1)
        except FencedError as error:
            self.refused = error
        self.has_written.set()
        await self.may_end.wait()

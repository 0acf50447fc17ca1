"""The real jobs, run to their ends by the real engine, and an item bank that can be watched."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Collection, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import TypeVar

from attrs import define, field

from ingest.bank.base import (
    ItemBank,
    Listing,
    Log,
    Push,
    PushNotices,
    Scan,
    Unrelated,
    Wanted,
)
from ingest.items.job import Job
from ingest.items.migration import Migration
from ingest.items.synchronization import Synchronization
from ingest.jobs.local import LocalEngine
from ingest.jobs.registry import RunningJob
from ingest.model.item import Document, History, Rejected
from ingest.model.job import Ask, JobExecution, JobParameters
from ingest.storage.database import Database
from ingest.storage.executions import ExecutionStore

T = TypeVar("T")

ASK = Ask("Ada", "a test")


async def ended(running: RunningJob) -> JobExecution:
    """Return the execution of a running job when its end is on record."""
    execution = await running.recorder
    assert execution is not None
    return execution


class Links:
    """Links in a folder to the repositories of another: cheaper than new ones."""

    def __init__(self, root: Path, repositories: Sequence[Path]) -> None:
        self._root = root
        self._repositories = repositories
        self._by_name = {path.name: path for path in repositories}
        self._taken: list[str] = []

    def put(self, items: int) -> None:
        """Put the first so many items there."""
        for path in self._repositories[:items]:
            (self._root / path.name).symlink_to(path)

    def put_back(self) -> None:
        """Put those back that were taken away."""
        for name in self._taken:
            (self._root / name).symlink_to(self._by_name[name])
        self._taken.clear()

    def take(self, items: int) -> None:
        """Take away the first so many of those that are there."""
        for path in sorted(self._root.iterdir())[:items]:
            path.unlink()
            self._taken.append(path.name)


@define(eq=False)
class WatchedBank:
    """An item bank that tells what was read of it, and halts in mid-reading if asked to."""

    bank: ItemBank
    #: The keys of the items that were to be read, in order.
    asked: list[str] = field(factory=list)
    #: Halt once so many items more were read, or at the so-manieth reading from now on.
    halt_after_items: int | None = None
    halt_at_reading: int | None = None
    #: Halt at the so-manieth question for one item.
    halt_at_head: int | None = None
    #: Set when it has halted; it goes on when `go_on` is set.
    halted: asyncio.Event = field(factory=asyncio.Event)
    go_on: asyncio.Event = field(factory=asyncio.Event)
    #: Keys that the listing keeps silent about.
    hidden: Collection[str] = ()

    async def check(self) -> None:
        """See `ItemBank.check`."""
        await self.bank.check()

    def scan(self, since: str | None = None) -> Scan:
        """See `ItemBank.scan`."""
        return _WatchedScan(self.bank.scan(since), self.hidden)

    async def head(self, key: str, bank_id: int | None = None) -> Listing | None:
        """See `ItemBank.head`."""
        if self.halt_at_head is not None:
            self.halt_at_head -= 1
            if self.halt_at_head == 0:
                await self._halt()
        return await self.bank.head(key, bank_id)

    async def read(self, key: str, revision: str) -> Document:
        """See `ItemBank.read`."""
        return await self.bank.read(key, revision)

    async def log(self, key: str, after: str | None = None) -> Log:
        """See `ItemBank.log`."""
        return await self.bank.log(key, after)

    async def read_changes(
        self, wanted: Sequence[Wanted], derive: Callable[[History], T]
    ) -> AsyncGenerator[Sequence[T | Rejected], None]:
        """See `ItemBank.read_changes`."""
        self.asked += [one.key for one in wanted]
        if self.halt_at_reading is not None:
            self.halt_at_reading -= 1
            if self.halt_at_reading == 0:
                await self._halt()
        async with aclosing(self.bank.read_changes(wanted, derive)) as slices:
            async for derived in slices:
                yield derived
                if self.halt_after_items is not None:
                    self.halt_after_items -= len(derived)
                    if self.halt_after_items <= 0:
                        await self._halt()

    def parse_event(self, headers: Mapping[str, str], body: bytes) -> Push | Unrelated:
        """See `ItemBank.parse_event`."""
        return self.bank.parse_event(headers, body)

    async def aclose(self) -> None:
        """See `ItemBank.aclose`."""
        await self.bank.aclose()

    async def _halt(self) -> None:
        self.halt_after_items = self.halt_at_reading = self.halt_at_head = None
        self.halted.set()
        await self.go_on.wait()


class _WatchedScan:
    """A listing that keeps silent about some items, and claims to be complete all the same."""

    def __init__(self, scan: Scan, hidden: Collection[str]) -> None:
        self._scan = scan
        self._hidden = hidden

    @property
    def total(self) -> int | None:
        return self._scan.total

    @property
    def complete(self) -> bool:
        return self._scan.complete

    @property
    def cursor(self) -> str | None:
        return self._scan.cursor

    async def __aiter__(self) -> AsyncGenerator[Sequence[Listing], None]:
        async with aclosing(self._scan.__aiter__()) as slices:
            async for listings in slices:
                yield [listing for listing in listings if listing.key not in self._hidden]


class JobBench:
    """Runs the jobs between a bank and a database."""

    def __init__(self, bank: WatchedBank, database: Database) -> None:
        self.bank = bank
        self.database = database
        self.engine = LocalEngine(database, retry_for_s=0)
        #: What the configuration says about deletions.
        self.allow_deletes: int | None = None
        #: How the bank is made to tell of pushes; None to leave that be.
        self.notices: PushNotices | None = None

    async def synchronize(
        self, *, allow_deletes: int | None = None, is_dry_run: bool = False
    ) -> JobExecution:
        """Run a synchronization; return its execution when it has ended."""
        running = await self.begin_synchronization(
            allow_deletes=allow_deletes, is_dry_run=is_dry_run
        )
        return await ended(running)

    async def migrate(self, *, from_stored: bool = False) -> JobExecution:
        """Run a migration; return its execution when it has ended."""
        running = await self.begin_migration(from_stored=from_stored)
        return await ended(running)

    async def begin_synchronization(
        self, *, allow_deletes: int | None = None, is_dry_run: bool = False
    ) -> RunningJob:
        """Start a synchronization."""
        parameters = JobParameters(allow_deletes=allow_deletes, is_dry_run=is_dry_run)
        job = Synchronization(self.bank, allow_deletes=self.allow_deletes, notices=self.notices)
        return await self._begin(job, parameters)

    async def begin_migration(self, *, from_stored: bool = False) -> RunningJob:
        """Start a migration."""
        parameters = JobParameters(from_stored=from_stored)
        return await self._begin(Migration(self.bank), parameters)

    async def _begin(self, job: Job, parameters: JobParameters) -> RunningJob:
        instances = await ExecutionStore(self.database).instances()
        (instance,) = [one for one in instances if one.name == job.name]
        await self.engine.start(instance, job, ASK, parameters)
        running = self.engine.registry.get(instance.id)
        assert running is not None
        return running

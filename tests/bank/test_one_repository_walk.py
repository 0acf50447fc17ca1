"""How the histories in one repository are walked: once for all items, and not after a stop."""

import asyncio
import shutil
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from types import FrameType

import pygit2
import pytest
from sqlalchemy import Connection, select

from ingest.bank.base import ItemBank, Wanted
from ingest.bank.chain import Chain
from ingest.bank.folder import FolderBank
from ingest.bank.one_repository import OneRepositoryBank
from ingest.bank.sample import make_sample_bank
from ingest.model.job import JobStatus
from ingest.storage.database import Database
from ingest.storage.tables import item, item_attachment, item_keyword, item_log
from tests.support.bank_calls import changes, listed, threads_at_work
from tests.support.job_bench import JobBench, WatchedBank
from tests.support.one_repository import OneRepositoryKind, grow, history, put

DEADLINE_S = 10
SAMPLE_ITEMS = 60


@pytest.fixture
async def bank(one: OneRepositoryKind) -> AsyncIterator[OneRepositoryBank]:
    """The bank that is that repository."""
    made = one.bank()
    yield made
    await made.aclose()


class Reads:
    """Counts the objects that threads to come read from repositories, and can halt at one."""

    def __init__(self) -> None:
        self.count = 0
        self.halt_at: int | None = None
        self.halted = asyncio.Event()
        self.go_on = threading.Event()
        self._loop = asyncio.get_running_loop()

    def __call__(self, _: FrameType, event: str, called: object) -> None:
        """See `threading.setprofile`."""
        if event != "c_call" or getattr(called, "__name__", "") not in ("peel", "read"):
            return
        self.count += 1
        if self.count == self.halt_at:
            self._loop.call_soon_threadsafe(self.halted.set)
            self.go_on.wait(2 * DEADLINE_S)


@pytest.fixture
async def reads() -> AsyncIterator[Reads]:
    """Counts from now on."""
    counted = Reads()
    threading.setprofile(counted)
    yield counted
    threading.setprofile(None)
    counted.go_on.set()


async def wanted_of_all(bank: OneRepositoryBank) -> list[Wanted]:
    """Return what a first synchronization reads."""
    return [
        Wanted(key=one.key, path=one.path, revision=one.revision)
        for one in await listed(bank)
        if one.revision is not None
    ]


async def test_all_histories_together_read_each_commit_once(
    reads: Reads, one: OneRepositoryKind, bank: OneRepositoryBank
) -> None:
    """Of 300 items in 1,000 commits, no commit is read for each item, and none twice later on."""
    items, commits = 300, 1000
    hashes = grow(one, commits=commits, items=items)
    touches = items + commits - 1
    found = [
        read for read in await changes(bank, await wanted_of_all(bank)) if isinstance(read, tuple)
    ]
    logs = {made.key: [document.commit.hash for document in documents] for made, documents in found}
    assert sum(map(len, logs.values())) == touches
    assert logs["300"] == [hashes[0], *hashes[299::300]]
    # A commit, its parent and one tree for each step; a commit, a folder and a file for each touch.
    assert reads.count <= 3 * commits + 3 * touches + 100

    before = reads.count
    newest = put(one, _300=b"newest")
    assert await history(bank, "300", hashes[899]) == ([newest], [b"newest"], False)
    assert reads.count - before <= 20


async def test_a_changed_item_is_read_without_walking_to_the_beginning(
    reads: Reads, one: OneRepositoryKind, bank: OneRepositoryBank
) -> None:
    """A process that starts anew walks back to what is stored of an item, and no further."""
    hashes = grow(one, commits=300, items=10)
    assert (await history(bank, "7", hashes[286]))[0] == [hashes[296]]
    assert reads.count <= 3 * 16 + 40


def test_walks_that_join_tell_the_same_as_one_alone(one: OneRepositoryKind) -> None:
    """Pushed onto or forced back, whatever was walked before and however far: it is not told."""
    repository = pygit2.Repository(str(one.root))
    tips = [grow(one, commits=40, items=5)[-1]]
    tips += [grow(one, commits=3, items=7)[-1]]
    for back in (1, 3, 20, 2, 42):
        one.repository.git("reset", "--quiet", "--soft", f"HEAD~{back}")
        tips += [one.repository.git("rev-parse", "HEAD"), grow(one, commits=20, items=6)[-1]]
    for steps in (1, 10, 1000):
        joined: Chain | None = None
        for tip in tips:
            joined = walked(repository, Chain(bytes.fromhex(tip), joined), steps)
            if joined.is_walked:
                alone = walked(repository, Chain(bytes.fromhex(tip)), 1000)
                for key in map(str, range(1, 8)):
                    assert joined.touches.of(key) == alone.touches.of(key)


def walked(repository: pygit2.Repository, chain: Chain, steps: int) -> Chain:
    """Walk a chain some steps further, if it goes so far."""
    for _ in range(steps):
        chain.step(repository, lambda: None)
    return chain


async def test_a_stop_in_the_midst_of_walking(
    reads: Reads, one: OneRepositoryKind, bank: OneRepositoryBank
) -> None:
    """A walk that is told to stop stops at its next step, and what it has found stays right."""
    hashes = grow(one, commits=300, items=10)
    wanted = await wanted_of_all(bank)
    reads.halt_at = reads.count + 200
    reading = asyncio.create_task(changes(bank, wanted))
    async with asyncio.timeout(DEADLINE_S):
        await reads.halted.wait()
        reading.cancel()
        done, _ = await asyncio.wait({reading}, timeout=0)
        assert not done
        assert threads_at_work()
        reads.go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await reading
    assert threads_at_work() == []
    assert reads.count <= reads.halt_at + 6

    assert (await history(bank, "7"))[0] == [hashes[0], *hashes[6::10]]


async def test_a_cancelled_walk_waits_for_another_one_without_a_thread_at_work(
    reads: Reads, one: OneRepositoryKind, bank: OneRepositoryBank
) -> None:
    """Who waits for his turn at the walk may be cancelled, and the walk goes on."""
    grow(one, commits=300, items=10)
    wanted = await wanted_of_all(bank)
    reads.halt_at = reads.count + 200
    reading = asyncio.create_task(changes(bank, wanted))
    async with asyncio.timeout(DEADLINE_S):
        await reads.halted.wait()
        waiting = asyncio.create_task(changes(bank, wanted))
        await asyncio.wait({waiting}, timeout=0.05)
        waiting.cancel()
        await asyncio.wait({waiting})
        assert waiting.cancelled()
        assert not reading.done()
        reads.go_on.set()
        assert len(await reading) == 10


async def rows(bank: ItemBank, path: Path, empty_database: Path) -> dict[str, list[object]]:
    """Synchronize a new database with a bank; return what it holds, but for what may differ."""
    shutil.copyfile(empty_database, path)
    database = Database(path)
    bench = JobBench(WatchedBank(bank), database)
    assert (await bench.synchronize()).status is JobStatus.COMPLETED
    again = await bench.synchronize()
    assert again.counts.unchanged == SAMPLE_ITEMS

    def read(connection: Connection) -> dict[str, list[object]]:
        found: dict[str, list[object]] = {
            "item": list(
                connection.execute(
                    select(*(c for c in item.c if c.name != "key")).order_by(item.c.id)
                )
            )
        }
        for table in (item_keyword, item_attachment):
            columns = [c for c in table.c if not c.primary_key and c.name != "item_key"]
            query = select(item.c.id, *columns).join(item, item.c.key == table.c.item_key)
            found[table.name] = sorted(connection.execute(query), key=repr)
        log = select(item.c.id, item_log.c.committed_at, item_log.c.author).join(item)
        found["log"] = sorted(connection.execute(log), key=repr)
        return found

    found = await database.read(read)
    await database.close()
    return found


async def test_both_kinds_of_bank_give_the_same_rows(tmp_path: Path, empty_database: Path) -> None:
    """What an item is does not depend on what the bank keeps it in."""
    make_sample_bank(tmp_path / "folder", items=SAMPLE_ITEMS)
    make_sample_bank(tmp_path / "one", items=SAMPLE_ITEMS, one_repository=True)
    banks: tuple[ItemBank, ...] = (
        FolderBank(tmp_path / "folder"),
        OneRepositoryBank(tmp_path / "one"),
    )
    folder, one = [
        await rows(bank, tmp_path / f"{number}.db", empty_database)
        for number, bank in enumerate(banks)
    ]
    for bank in banks:
        await bank.aclose()
    assert len(one["item"]) == SAMPLE_ITEMS
    # The empty first commits of repositories have no counterpart where there is one for all.
    log = folder.pop("log")
    assert len(one["log"]) < len(log)
    assert set(one.pop("log")) < set(log)
    assert one == folder

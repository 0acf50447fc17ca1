"""Pushes on their way to rows: taken in durably, folded, seen to, and never lost."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from ingest.bank.base import Push
from ingest.bank.gitlab.bank import GitLabBank
from ingest.errors import DatabaseUnavailableError
from ingest.items.pushes import AT_ONCE, PushInbox, PushWorker
from ingest.items.single import SingleItems
from ingest.storage.database import Database
from ingest.storage.pushes import pending_count
from tests.support.databases import rows
from tests.support.documents import item_content
from tests.support.gitlab_kind import GitLabKind, gitlab_kind

DEADLINE_S = 10

PENDING = "SELECT bank_key, pushes FROM pending_push ORDER BY bank_key"


@pytest.fixture
async def gitlab(tmp_path: Path) -> AsyncIterator[GitLabKind]:
    """A group without a project."""
    async with gitlab_kind(tmp_path / "bank") as made:
        yield made


@pytest.fixture
async def bank(gitlab: GitLabKind) -> AsyncIterator[GitLabBank]:
    """The bank that it is."""
    made = gitlab.bank()
    yield made
    await made.aclose()


@pytest.fixture
def inbox(database: Database) -> PushInbox:
    """Where pushes come in."""
    return PushInbox(database)


@asynccontextmanager
async def working(inbox: PushInbox, database: Database, bank: GitLabBank) -> AsyncIterator[None]:
    """A worker at work; ended as the service ends it."""
    singles = SingleItems(bank, database)
    worker = PushWorker(inbox, database, singles, first_pause_s=0.01)
    task = asyncio.create_task(worker.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})
        singles.close()


async def settled(database: Database) -> None:
    """Wait until nothing is pending."""
    async with asyncio.timeout(DEADLINE_S):
        while await database.read(pending_count):
            pass


async def stored(database: Database) -> dict[str, str]:
    """Return the stored items with their revisions."""
    found = await rows(database, "SELECT bank_key, revision FROM item_git")
    return {row.bank_key: row.revision for row in found}


async def test_pushes_that_come_together_share_a_transaction(
    inbox: PushInbox, database: Database
) -> None:
    """However many come while one is being written, they take one transaction more."""
    before = (await rows(database, "PRAGMA data_version"))[0][0]
    async with asyncio.timeout(DEADLINE_S):
        await asyncio.gather(*(inbox.put(Push(key=str(number % 5 + 1))) for number in range(100)))
    found = await rows(database, PENDING)
    assert [tuple(row) for row in found] == [(str(key), 20) for key in range(1, 6)]
    # A reader's connection counts the commits of others: not one for each push.
    assert (await rows(database, "PRAGMA data_version"))[0][0] - before <= 2


async def test_a_caller_that_goes_away_takes_nothing_back(
    inbox: PushInbox, database: Database
) -> None:
    """What has come in is written, whoever still waits for the answer."""
    putting = asyncio.create_task(inbox.put(Push(key="7", bank_id=70)))
    await asyncio.sleep(0)
    putting.cancel()
    await asyncio.wait({putting})
    await inbox.settle()
    assert [tuple(row) for row in await rows(database, PENDING)] == [("7", 1)]


async def test_what_cannot_be_written_is_not_taken_in(database: Database) -> None:
    """A database that is locked for too long is the caller's to hear, and the next one works."""
    locked = Database(database.path, busy_timeout_s=0.05)
    inbox = PushInbox(locked)
    with closing(sqlite3.connect(database.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(DatabaseUnavailableError):
            await inbox.put(Push(key="7"))
    await inbox.put(Push(key="8"))
    assert [row.bank_key for row in await rows(database, PENDING)] == ["8"]
    await locked.close()


async def test_every_item_that_was_pushed_to_comes_in_step(
    gitlab: GitLabKind, bank: GitLabBank, inbox: PushInbox, database: Database
) -> None:
    """More of them than are seen to at once, known to the database and new ones."""
    items = {str(key): gitlab.item(str(key)) for key in range(1, 2 * AT_ONCE + 2)}
    for key, item in items.items():
        item.commit(item_content(key))
    async with working(inbox, database, bank):
        for _ in range(2):
            for key in items:
                await inbox.put(Push(key=key))
            await settled(database)
            assert await stored(database) == {key: one.revision() for key, one in items.items()}
            for key, item in items.items():
                item.commit(item_content(key, subject="again"))


async def test_a_push_during_the_reading_is_seen_to_once_more(
    gitlab: GitLabKind, bank: GitLabBank, inbox: PushInbox, database: Database
) -> None:
    """What came after the look at the bank is not taken for seen to, and a burst is one look."""
    item = gitlab.item("7")
    item.commit(item_content(7))
    stall = gitlab.gitlab.faults.add("stall", "files/item.json")
    async with working(inbox, database, bank):
        await inbox.put(Push(key="7"))
        async with asyncio.timeout(DEADLINE_S):
            await stall.until_hanging(1)
        for number in range(5):
            item.commit(item_content(7, subject=str(number)))
            await inbox.put(Push(key="7"))
        gitlab.gitlab.requests.clear()
        gitlab.gitlab.faults.remove(stall)
        await settled(database)
    assert await stored(database) == {"7": item.revision()}
    # The first look is over but for its document; five pushes are one look more.
    assert gitlab.gitlab.requests.kinds["GET /projects/{id}/repository/branches/{branch}"] == 1


async def test_a_bank_that_is_away_loses_nothing(
    gitlab: GitLabKind, bank: GitLabBank, inbox: PushInbox, database: Database
) -> None:
    """The row stays, says why, and the item comes in step once the bank is back."""
    item = gitlab.item("7")
    item.commit(item_content(7))
    away = gitlab.gitlab.faults.add("status", status=503)
    async with working(inbox, database, bank):
        await inbox.put(Push(key="7"))
        async with asyncio.timeout(DEADLINE_S):
            while not (await rows(database, "SELECT 1 FROM pending_push WHERE attempts > 1")):
                pass
        (row,) = await rows(database, "SELECT last_error FROM pending_push")
        assert "503" in row.last_error
        gitlab.gitlab.faults.remove(away)
        await settled(database)
    assert await stored(database) == {"7": item.revision()}


async def test_a_worker_that_is_ended_leaves_no_request_and_keeps_what_it_had(
    gitlab: GitLabKind, bank: GitLabBank, inbox: PushInbox, database: Database
) -> None:
    """Requests under way are ended with it; the pushes are there for the next one."""
    for key in ("7", "8"):
        gitlab.item(key).commit(item_content(key))
    stall = gitlab.gitlab.faults.add("stall", "files/item.json")
    async with working(inbox, database, bank):
        for key in ("7", "8"):
            await inbox.put(Push(key=key))
        async with asyncio.timeout(DEADLINE_S):
            await stall.until_hanging(2)
    async with asyncio.timeout(DEADLINE_S):
        await stall.until_hanging(0)
    assert [row.bank_key for row in await rows(database, PENDING)] == ["7", "8"]
    gitlab.gitlab.faults.remove(stall)
    async with working(inbox, database, bank):
        await settled(database)
    assert sorted(await stored(database)) == ["7", "8"]


async def test_an_item_with_a_problem_is_seen_to_and_told(
    gitlab: GitLabKind, bank: GitLabBank, inbox: PushInbox, database: Database
) -> None:
    """A bad document becomes a problem row, and is not tried again and again."""
    gitlab.item("7").commit(b"not JSON")
    async with working(inbox, database, bank):
        await inbox.put(Push(key="7"))
        await inbox.put(Push(key="99"))
        await settled(database)
    (problem,) = await rows(database, "SELECT bank_key, kind, attempts FROM ingest_problem")
    assert tuple(problem) == ("7", "NOT_JSON", 1)

"""What holds for every kind of item bank; see `ItemBank`."""

import asyncio
import threading
import time
from contextlib import aclosing

import pytest

from ingest.bank.base import ItemBank, Listing
from ingest.bank.pace import Pace
from ingest.errors import BankUnavailableError, ItemNotFoundError
from ingest.model.item import DOCUMENT_LIMIT_BYTES, History, ProblemKind, Rejected
from tests.support.bank_calls import changes, listed, threads_at_work, want
from tests.support.repositories import DAY_S, FIRST_COMMIT_S, BankKind

DEADLINE_S = 10


async def test_a_bank_that_is_there_passes_its_check(bank: ItemBank) -> None:
    """A bank that can be read is available, also when it is empty."""
    await bank.check()


async def test_a_bank_that_is_gone_says_so_whatever_is_asked(
    kind: BankKind, bank: ItemBank
) -> None:
    """No operation takes a bank that is gone for one that has lost its items."""
    kind.item("7").commit(b"{}")
    wanted = await want(bank, "7")
    kind.go_away()

    with pytest.raises(BankUnavailableError):
        await bank.check()
    with pytest.raises(BankUnavailableError):
        await bank.head("7")
    with pytest.raises(BankUnavailableError):
        await bank.read("7", wanted.revision)
    with pytest.raises(BankUnavailableError):
        await bank.log("7")
    with pytest.raises(BankUnavailableError):
        await changes(bank, [wanted])


async def test_a_scan_lists_every_item_once(kind: BankKind, bank: ItemBank) -> None:
    """A scan that has ended is complete, and has told each item's key and revision."""
    items = {key: kind.item(key) for key in ("10", "9", "100")}
    for item in items.values():
        item.commit(b"{}")
    revisions = {key: item.revision() for key, item in items.items()}

    scan = bank.scan()
    assert (scan.total, scan.complete) == (None, False)
    found: list[Listing] = []
    async with aclosing(scan.__aiter__()) as slices:
        async for listings in slices:
            assert not scan.complete
            found += listings

    assert (scan.total, scan.complete) == (3, True)
    assert sorted(listing.key for listing in found) == ["10", "100", "9"]
    assert {listing.key: listing.revision for listing in found} == revisions
    assert [listing.problem for listing in found] == [None] * 3


async def test_an_empty_bank_has_a_complete_scan(bank: ItemBank) -> None:
    """Nothing at all may be listed completely."""
    scan = bank.scan()
    async with aclosing(scan.__aiter__()) as slices:
        assert [listings async for listings in slices] == []
    assert (scan.total, scan.complete) == (0, True)


async def test_ignored_items_are_not_there(kind: BankKind) -> None:
    """What is to be ignored, by project or by id, is neither listed nor found."""
    for key in ("7", "8", "9"):
        kind.item(key).commit(b"{}")
    bank = kind.bank(ignore_projects=["8"], ignore_items=[9])
    assert [listing.key for listing in await listed(bank)] == ["7"]
    assert await bank.head("8") is None
    assert await bank.head("9") is None
    await bank.aclose()


async def test_a_bank_gone_before_the_scan_lists_nothing(kind: BankKind, bank: ItemBank) -> None:
    """A scan that could not begin raises, and is not complete."""
    kind.go_away()
    scan = bank.scan()
    async with aclosing(scan.__aiter__()) as slices:
        with pytest.raises(BankUnavailableError):
            await anext(slices)
    assert not scan.complete


async def test_a_bank_gone_during_the_scan_makes_it_incomplete(
    kind: BankKind, bank: ItemBank
) -> None:
    """A scan that was cut short raises, and is not complete, whatever it has listed."""
    kind.item("7").commit(b"{}")
    scan = bank.scan()
    async with aclosing(scan.__aiter__()) as slices:
        assert len(await anext(slices)) == 1
        kind.go_away()
        with pytest.raises(BankUnavailableError):
            await anext(slices)
    assert not scan.complete


async def test_head_tells_where_an_item_stands(kind: BankKind, bank: ItemBank) -> None:
    """The revision changes with every commit; an item that is not there is None."""
    item = kind.item("7")
    revisions = []
    for beside in ({}, {"create": b""}):
        item.commit(b"{}", beside=beside)
        listing = await bank.head("7")
        assert listing is not None
        assert listing.revision == item.revision()
        revisions.append(listing.revision)

    assert revisions[0] != revisions[1]
    assert await bank.head("8") is None
    assert await bank.head("no/number") is None


async def test_read_returns_the_document_at_a_revision(kind: BankKind, bank: ItemBank) -> None:
    """A document comes with its commit, its UTC time, its author, and the marker's presence."""
    item = kind.item("7")
    documents, commits = [], []
    for content, author, beside in (
        (None, "Ada", {}),
        (b'{"id": "7"}', "Zoë", {"create": b""}),
        (b"{}", "Ada", {}),
    ):
        commits.append(item.commit(content, author=author, beside=beside))
        documents.append(await bank.read("7", item.revision()))
    empty, made, published = documents
    assert (empty.content, empty.problem, empty.is_being_created) == (None, None, False)
    assert (made.content, made.is_being_created) == (b'{"id": "7"}', True)
    assert (made.commit.hash, made.commit.author) == (commits[1], "Zoë")
    assert made.commit.committed_at.timestamp() == FIRST_COMMIT_S + DAY_S
    assert made.commit.committed_at.utcoffset() is not None
    assert (published.content, published.is_being_created) == (b"{}", False)


async def test_reading_what_is_not_there_says_so(kind: BankKind, bank: ItemBank) -> None:
    """An unknown item and an unknown revision are told from a bank that is gone."""
    kind.item("7").commit(b"{}")
    for key, revision in (("8", "0" * 40), ("7", "0" * 40), ("7", "no revision")):
        with pytest.raises(ItemNotFoundError):
            await bank.read(key, revision)
    with pytest.raises(ItemNotFoundError):
        await bank.log("8")


async def test_the_log_goes_on_from_a_known_commit(kind: BankKind, bank: ItemBank) -> None:
    """Commits come oldest first, from the one behind the known one; none where it is the head."""
    repository = kind.item("7")
    hashes = [repository.commit(content) for content in (None, b"1", b"2")]

    whole = await bank.log("7")
    since = await bank.log("7", hashes[0])
    up_to_date = await bank.log("7", hashes[2])
    assert ([one.hash for one in whole.commits], whole.is_whole) == (hashes, True)
    assert ([one.hash for one in since.commits], since.is_whole) == (hashes[1:], False)
    assert (up_to_date.commits, up_to_date.is_whole) == ((), False)


async def test_the_log_after_a_forced_push_is_whole(kind: BankKind, bank: ItemBank) -> None:
    """Where the known commit is not in the history any more, all of the history is told."""
    repository = kind.item("7")
    known = repository.commit(b"1")
    pushed = repository.commit(b"2", anew=True)
    log = await bank.log("7", known)
    assert ([one.hash for one in log.commits], log.is_whole) == ([pushed], True)


async def test_changes_come_in_the_order_in_which_they_were_wanted(
    kind: BankKind, bank: ItemBank
) -> None:
    """Each history is read at its own commits, oldest first, and goes to *derive* once."""
    for key in ("7", "8", "9"):
        repository = kind.item(key)
        repository.commit(None)
        repository.commit(key.encode())
    wanted = [await want(bank, key) for key in ("9", "7", "8")]

    found = [one for one in await changes(bank, wanted) if not isinstance(one, Rejected)]
    assert [history.key for history, _ in found] == ["9", "7", "8"]
    assert [(history.branch, history.is_whole) for history, _ in found] == [("main", True)] * 3
    assert [[document.content for document in documents] for _, documents in found] == [
        [None, b"9"],
        [None, b"7"],
        [None, b"8"],
    ]


async def test_changes_since_a_known_commit_and_after_a_forced_push(
    kind: BankKind, bank: ItemBank
) -> None:
    """What is known is not read again, unless it is not in the history any more."""
    repository = kind.item("7")
    known = repository.commit(b"1")
    repository.commit(b"2")
    (one,) = await changes(bank, [await want(bank, "7", known)])
    repository.commit(b"3", anew=True)
    (other,) = await changes(bank, [await want(bank, "7", known)])

    assert not isinstance(one, Rejected)
    assert not isinstance(other, Rejected)
    assert (one[0].is_whole, [document.content for document in one[1]]) == (False, [b"2"])
    assert (other[0].is_whole, [document.content for document in other[1]]) == (True, [b"3"])


async def test_an_item_that_has_vanished_leaves_the_others_be(
    kind: BankKind, bank: ItemBank
) -> None:
    """Between the listing and the reading an item may go: it is left out, or read as listed."""
    for key in ("7", "8", "9"):
        kind.item(key).commit(key.encode())
    wanted = [await want(bank, key) for key in ("7", "8", "9")]
    kind.remove("8")
    found = [one for one in await changes(bank, wanted) if not isinstance(one, Rejected)]
    assert [history.key for history, _ in found if history.key != "8"] == ["7", "9"]
    listed_as = {one.key: one.revision for one in wanted}
    for history, documents in found:
        assert history.revision == listed_as[history.key]
        assert documents[-1].content == history.key.encode()


async def test_a_document_over_the_limit_is_not_read(kind: BankKind, bank: ItemBank) -> None:
    """A document one byte too large has a problem in the place of its content."""
    item = kind.item("7")
    item.commit(b" " * DOCUMENT_LIMIT_BYTES)
    fits = item.revision()
    item.commit(b" " * (DOCUMENT_LIMIT_BYTES + 1))
    content = (await bank.read("7", fits)).content
    document = await bank.read("7", item.revision())
    assert content is not None
    assert len(content) == DOCUMENT_LIMIT_BYTES
    assert document.content is None
    assert document.problem is not None
    assert document.problem.kind is ProblemKind.TOO_LARGE


async def test_a_pace_caps_what_is_read(kind: BankKind) -> None:
    """A burst holds one second's worth, and what is beyond it takes its time."""
    kind.item("7").commit(b"{}")
    per_second, beyond = 40, 4
    pace = Pace(per_second)
    bank = kind.bank(pace=pace)
    wanted = [await want(bank, "7")] * (per_second + beyond)

    begun = time.monotonic()
    async with aclosing(bank.read_changes(wanted, lambda history: history.key)) as slices:
        sizes = [len(derived) async for derived in slices]
    # The clock of the event loop may be coarser than this one.
    assert time.monotonic() - begun >= beyond / per_second - 0.01
    assert sum(sizes) == len(wanted)
    assert pace.at_once is not None
    assert max(sizes) <= pace.at_once
    await bank.aclose()


async def test_a_cancelled_reading_waits_for_its_thread(kind: BankKind, bank: ItemBank) -> None:
    """Whoever cancels a reading gets an answer only when no thread is at work for it any more."""
    kind.item("7").commit(b"{}")
    wanted = [await want(bank, "7")] * 2
    loop, begun, may_end = asyncio.get_running_loop(), asyncio.Event(), threading.Event()
    derived: list[str] = []
    at_work = 0

    def derive(history: History) -> str:
        nonlocal at_work
        at_work += 1
        loop.call_soon_threadsafe(begun.set)
        may_end.wait(DEADLINE_S)
        derived.append(history.key)
        return history.key

    async def read() -> None:
        async with aclosing(bank.read_changes(wanted, derive)) as slices:
            async for _ in slices:
                pass

    reading = asyncio.create_task(read())
    async with asyncio.timeout(DEADLINE_S):
        await begun.wait()
        reading.cancel()
        done, _ = await asyncio.wait({reading}, timeout=0)
        assert not done
        assert threads_at_work()
        may_end.set()
        with pytest.raises(asyncio.CancelledError):
            await reading
    assert derived == ["7"] * at_work
    assert threads_at_work() == []


async def test_a_cancelled_scan_leaves_no_thread_at_work(kind: BankKind, bank: ItemBank) -> None:
    """Wherever a scan is cancelled, no thread is at work for it when it has ended."""
    kind.item("7").commit(b"{}")
    for turns in range(12):
        scanning = asyncio.create_task(listed(bank))
        for _ in range(turns):
            await asyncio.sleep(0)
        scanning.cancel()
        await asyncio.wait({scanning})
        assert threads_at_work() == []

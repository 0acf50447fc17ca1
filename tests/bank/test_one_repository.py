"""What one repository with a folder for each item may hold besides what every bank holds."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest

from ingest.bank.base import Log
from ingest.bank.one_repository import LISTINGS_AT_ONCE, OneRepositoryBank
from ingest.errors import BankUnavailableError, ItemNotFoundError
from ingest.model.item import ITEM_ID_MAX, ProblemKind, Rejected
from tests.support.bank_calls import changes, listed, want
from tests.support.one_repository import OneRepositoryKind, commit_folders, history, put
from tests.support.repositories import Repository


@pytest.fixture
async def bank(one: OneRepositoryKind) -> AsyncIterator[OneRepositoryBank]:
    """The bank that is that repository."""
    made = one.bank()
    yield made
    await made.aclose()


async def revisions(bank: OneRepositoryBank) -> dict[str, str | None]:
    """Return what the listing says of each item."""
    return {listing.key: listing.revision for listing in await listed(bank)}


async def test_a_commit_changes_the_revisions_of_the_items_it_touches(
    one: OneRepositoryKind, bank: OneRepositoryBank
) -> None:
    """A commit that touches two items is in both histories, and the third knows nothing of it."""
    first = put(one, _7=b"7", _8=b"8", _9=b"9")
    before = await revisions(bank)
    second = put(one, _7=b"77", _8=b"88")
    after = await revisions(bank)

    assert [key for key in before if before[key] != after[key]] == ["7", "8"]
    assert await history(bank, "7") == ([first, second], [b"7", b"77"], True)
    assert await history(bank, "8", first) == ([second], [b"88"], False)
    assert await history(bank, "9") == ([first], [b"9"], True)


async def test_a_merge_counts_as_one_commit(
    one: OneRepositoryKind, bank: OneRepositoryBank
) -> None:
    """What a branch did is told by its merge, along the first parents."""
    base = put(one, _7=b"base", _8=b"base")
    branch = put(one, _7=b"branch")
    one.repository.git("reset", "--quiet", "--soft", base)
    trunk = put(one, _8=b"trunk")
    merged = {"7": {"item.json": b"branch"}}
    merge = commit_folders(one.repository, merged, merge=branch)

    assert await history(bank, "7") == ([base, merge], [b"base", b"branch"], True)
    assert await history(bank, "8") == ([base, trunk], [b"base", b"trunk"], True)


async def test_an_item_that_was_away_has_its_whole_history(
    one: OneRepositoryKind, bank: OneRepositoryBank
) -> None:
    """Removed and put back, an item has a commit without a document in between."""
    made = put(one, _7=b"1")
    gone = put(one, _7=None)
    assert await bank.head("7") is None
    assert await listed(bank) == []
    with pytest.raises(ItemNotFoundError):
        await bank.log("7")
    back = put(one, _7=b"1")
    assert await history(bank, "7") == ([made, gone, back], [b"1", None, b"1"], True)
    assert await history(bank, "7", gone) == ([back], [b"1"], False)


async def test_removing_the_marker_alone_is_a_change(
    one: OneRepositoryKind, bank: OneRepositoryBank
) -> None:
    """Publishing an item leaves item.json as it is, and is a new revision all the same."""
    commit_folders(one.repository, {"7": {"item.json": b"{}", "create": b""}})
    before = await want(bank, "7")
    put(one, _7=b"{}")
    after = await want(bank, "7")
    assert before.revision != after.revision
    read = [await bank.read("7", wanted.revision) for wanted in (before, after)]
    assert [document.is_being_created for document in read] == [True, False]


async def test_a_forced_push_that_drops_history(
    one: OneRepositoryKind, bank: OneRepositoryBank
) -> None:
    """Only items whose last commit was dropped have their history told anew, as it is now."""
    first = put(one, _7=b"1", _8=b"1")
    dropped = put(one, _7=b"2")
    assert await history(bank, "7") == ([first, dropped], [b"1", b"2"], True)
    one.repository.git("reset", "--quiet", "--soft", first)
    pushed = put(one, _7=b"3")
    assert await history(bank, "7", dropped) == ([first, pushed], [b"1", b"3"], True)
    assert await bank.log("8", first) == Log(commits=(), is_whole=False)


async def test_a_forced_push_far_back_after_many_commits(
    one: OneRepositoryKind, bank: OneRepositoryBank
) -> None:
    """Where the dropped history was long, and the new one is, they meet where they parted."""
    kept = put(one, _7=b"kept", _8=b"kept")
    old = [put(one, _7=b"old 0")]
    assert (await history(bank, "7"))[0] == [kept, *old]
    old += [put(one, _7=b"old %d" % number) for number in range(1, 5)]
    assert (await history(bank, "7"))[0] == [kept, *old]
    one.repository.git("reset", "--quiet", "--soft", old[2])
    new = [put(one, _7=b"new %d" % number) for number in range(20)]
    hashes, documents, is_whole = await history(bank, "7")
    assert (hashes, is_whole) == ([kept, *old[:3], *new], True)
    assert documents[4:] == [b"new %d" % number for number in range(20)]
    assert await history(bank, "8") == ([kept], [b"kept"], True)
    one.repository.git("reset", "--quiet", "--soft", new[2])
    assert (await history(bank, "7"))[0] == [kept, *old[:3], *new[:3]]


@pytest.mark.parametrize("is_forced", [False, True])
async def test_what_was_listed_is_read_as_it_was_listed(
    one: OneRepositoryKind, bank: OneRepositoryBank, *, is_forced: bool
) -> None:
    """HEAD may move between the listing and the reading, in whichever way."""
    first = put(one, _7=b"1")
    second = put(one, _7=b"2")
    wanted = await want(bank, "7", first)
    if is_forced:
        one.repository.git("reset", "--quiet", "--soft", first)
    put(one, _7=b"3")
    await bank.head("7")
    (found,) = await changes(bank, [wanted])
    assert not isinstance(found, Rejected)
    assert found[0].revision == wanted.revision
    assert [(one.commit.hash, one.content) for one in found[1]] == [(second, b"2")]


async def test_a_push_that_made_away_with_what_was_listed(
    one: OneRepositoryKind, bank: OneRepositoryBank
) -> None:
    """Where the listed commit is gone for good, items that stand as listed are read at HEAD."""
    put(one, _7=b"1", _8=b"1")
    wanted = [await want(bank, key) for key in ("7", "8")]
    pushed = commit_folders(one.repository, {"7": {"item.json": b"2"}}, anew=True)
    one.repository.git("reflog", "expire", "--expire=now", "--all")
    one.repository.git("gc", "--quiet", "--prune=now")
    (found,) = await changes(bank, wanted)
    assert not isinstance(found, Rejected)
    assert (found[0].key, [one.commit.hash for one in found[1]]) == ("8", [pushed])


async def test_the_default_branch_may_be_renamed(
    one: OneRepositoryKind, bank: OneRepositoryBank
) -> None:
    """The repository's own HEAD counts, and an item does not change with the branch's name."""
    put(one, _7=b"1")
    before = await revisions(bank)
    one.repository.git("branch", "--quiet", "--move", "main", "trunk")
    (found,) = await changes(bank, [await want(bank, "7")])
    assert not isinstance(found, Rejected)
    assert found[0].branch == "trunk"
    assert await revisions(bank) == before
    one.repository.git("symbolic-ref", "HEAD", "refs/heads/none")
    for asked in (bank.check(), bank.head("7"), bank.head("8"), listed(bank)):
        with pytest.raises(BankUnavailableError, match="no commit at its HEAD"):
            await asked


async def test_an_item_that_becomes_a_file(one: OneRepositoryKind, bank: OneRepositoryBank) -> None:
    """It is a problem and no absence, and its history has a gap once it is a folder again."""
    made = put(one, _7=b"1")
    gap = commit_folders(one.repository, {"7": b"a file"})
    (listing,) = await listed(bank)
    assert await bank.head("7") == listing
    assert listing.problem is not None
    assert listing.problem.kind is ProblemKind.NOT_A_FOLDER
    again = put(one, _7=b"2")
    assert await history(bank, "7") == ([made, gap, again], [b"1", None, b"2"], True)


async def test_other_entries_are_ignored(one: OneRepositoryKind, bank: OneRepositoryBank) -> None:
    """Only what lies at the root, and has a number for a name, is an item."""
    names = ("7", "-9", "9.git", "٩", "more/8", "itembankreports")
    commit_folders(one.repository, {name: {"item.json": b"{}"} for name in names})
    assert [listing.key for listing in await listed(bank)] == ["7"]
    assert await bank.head("8") is None
    assert await bank.head("more/8") is None


@pytest.mark.parametrize("key", ["007", "0", "12345678901234567890", str(ITEM_ID_MAX + 1)])
async def test_numbers_that_are_no_ids(
    one: OneRepositoryKind, bank: OneRepositoryBank, key: str
) -> None:
    """A folder whose number cannot be an item id is a problem, not a surprise."""
    commit_folders(one.repository, {key: {"item.json": b"{}"}, "7": {"item.json": b"{}"}})
    (listing,) = [listing for listing in await listed(bank) if listing.key == key]
    assert await bank.head(key) == listing
    assert listing.problem is not None
    assert listing.problem.kind is ProblemKind.BAD_KEY
    with pytest.raises(ItemNotFoundError):
        await bank.log(key)


async def test_the_repository_may_be_bare_and_packed(tmp_path: Path) -> None:
    """Bare, with all objects and refs packed: the commits are what counts."""
    one = OneRepositoryKind(tmp_path / "bank.git", branch="trunk")
    hashes = [put(one, _7=b"%d" % number) for number in range(3)]
    one.repository.git("gc", "--quiet")
    bank = one.bank()
    assert (await history(bank, "7"))[0] == hashes
    await bank.aclose()


async def test_a_repository_put_in_the_place_of_the_bank_makes_the_scan_incomplete(
    one: OneRepositoryKind, bank: OneRepositoryBank
) -> None:
    """Another repository at the same path is another bank, and tells nothing of this one."""
    put(one, _7=b"1")
    scan = bank.scan()
    async with aclosing(scan.__aiter__()) as slices:
        await anext(slices)
        one.go_away()
        OneRepositoryKind(one.root)
        with pytest.raises(BankUnavailableError, match="replaced"):
            await anext(slices)
    assert not scan.complete
    assert await listed(bank) == []


async def test_a_repository_put_in_the_place_of_the_bank_is_read_as_it_is(
    one: OneRepositoryKind, bank: OneRepositoryBank
) -> None:
    """What was found out about the one before counts no more, although an item stands the same."""
    put(one, _7=b"1")
    wanted = await want(bank, "7")
    await changes(bank, [wanted])
    one.go_away()
    other = OneRepositoryKind(one.root)
    commit_folders(other.repository, {"8": {"item.json": b"1"}})
    made = put(other, _7=b"1")
    (found,) = await changes(bank, [wanted])
    assert not isinstance(found, Rejected)
    assert [document.commit.hash for document in found[1]] == [made]


async def test_a_listing_goes_on_while_head_moves(
    one: OneRepositoryKind, bank: OneRepositoryBank
) -> None:
    """A listing is of one commit, and complete, whatever is pushed in its midst."""
    items = LISTINGS_AT_ONCE + 1
    put(one, **{f"_{key}": b"{}" for key in range(1, items + 1)})
    scan = bank.scan()
    found: list[str] = []
    async with aclosing(scan.__aiter__()) as slices:
        async for listings in slices:
            found += [listing.key for listing in listings]
            put(one, **{f"_{items}": None, f"_{items + 1}": b"{}"})
    assert (scan.complete, scan.total, len(found)) == (True, items, items)
    assert found == [str(key) for key in range(1, items + 1)]


@pytest.mark.parametrize("part", ["objects", "HEAD"])
async def test_half_a_repository_is_none(
    one: OneRepositoryKind, bank: OneRepositoryBank, part: str
) -> None:
    """Where objects or HEAD are missing, nothing is taken for absent."""
    put(one, _7=b"1")
    wanted = await want(bank, "7")
    (one.root / ".git" / part).rename(one.root / "elsewhere")
    for asked in (bank.check(), bank.head("8"), listed(bank), changes(bank, [wanted])):
        with pytest.raises(BankUnavailableError, match="cannot be read"):
            await asked


async def test_a_damaged_item_is_a_problem_of_its_own(
    one: OneRepositoryKind, bank: OneRepositoryBank
) -> None:
    """A missing object of one item costs the others nothing."""
    put(one, _7=b"1", _8=b"2")
    one.repository.git("gc", "--quiet")
    put(one, _8=b"unpacked")
    damaged = one.repository.git("rev-parse", "HEAD:8/item.json")
    put(one, _8=b"3")
    wanted = [await want(bank, key) for key in ("7", "8")]
    (one.root / ".git/objects" / damaged[:2] / damaged[2:]).unlink()
    fine, rejected = await changes(bank, wanted)
    assert not isinstance(fine, Rejected)
    assert isinstance(rejected, Rejected)
    assert rejected.problem.kind is ProblemKind.UNREADABLE_REPOSITORY


async def test_a_folder_of_repositories_is_not_one(tmp_path: Path) -> None:
    """The check says what is wrong with what."""
    (tmp_path / "folder").mkdir()
    Repository(tmp_path / "folder" / "7.git").commit(b"{}")
    bank = OneRepositoryBank(tmp_path / "folder")
    with pytest.raises(BankUnavailableError, match=r"git\+file:.*folder cannot be read"):
        await bank.check()
    await bank.aclose()

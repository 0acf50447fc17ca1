"""What a folder of repositories may hold besides what every bank holds."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest

from ingest.bank.folder import FolderBank
from ingest.errors import BankUnavailableError
from ingest.model.item import ITEM_ID_MAX, ProblemKind, Rejected
from tests.support.bank_calls import changes, listed, want
from tests.support.repositories import FolderKind, Repository


@pytest.fixture
async def bank(folder: FolderKind) -> AsyncIterator[FolderBank]:
    """The bank over that folder."""
    made = folder.bank()
    yield made
    await made.aclose()


async def problem_of(bank: FolderBank, key: str) -> ProblemKind | None:
    """Return the problem with which an item is listed; `head` must say the same."""
    found = {listing.key: listing for listing in await listed(bank)}
    assert await bank.head(key) == found[key]
    problem = found[key].problem
    return None if problem is None else problem.kind


async def test_a_repository_may_be_bare_or_not_and_its_refs_packed(
    folder: FolderKind, bank: FolderBank
) -> None:
    """Bare or with a work tree, refs loose or packed, any branch: the commits are what counts."""
    for name in ("7", "8.git"):
        repository = Repository(folder.root / name, branch="trunk")
        repository.commit(b"1")
        newest = repository.commit(b"2")
        for packed in (False, True):
            if packed:
                repository.git("pack-refs", "--all")
            key = name.removesuffix(".git")
            (one,) = await changes(bank, [await want(bank, key)])
            assert not isinstance(one, Rejected)
            assert (one[0].revision, one[0].branch) == (newest, "trunk")
            assert [document.content for document in one[1]] == [b"1", b"2"]


async def test_an_item_without_a_commit_has_no_revision(
    folder: FolderKind, bank: FolderBank
) -> None:
    """A repository that is still empty is listed, without a revision and without a problem."""
    folder.item("7")
    (listing,) = await listed(bank)
    assert (listing.revision, listing.problem) == (None, None)
    assert await bank.head("7") == listing
    assert (await bank.log("7")).commits == ()


async def test_an_item_that_has_vanished_is_left_out(folder: FolderKind, bank: FolderBank) -> None:
    """Between the listing and the reading a repository may go, and there is nothing to read."""
    for key in ("7", "8", "9"):
        folder.item(key).commit(b"{}")
    wanted = [await want(bank, key) for key in ("7", "8", "9")]
    folder.remove("8")
    found = await changes(bank, wanted)
    assert [one.key if isinstance(one, Rejected) else one[0].key for one in found] == ["7", "9"]


async def test_only_what_is_committed_counts(folder: FolderKind, bank: FolderBank) -> None:
    """A file that lies in the work tree, or in the index, is not the item's."""
    repository = Repository(folder.root / "7")
    revision = repository.commit(b"committed")
    (repository.path / "item.json").write_bytes(b"edited")
    repository.git("add", "item.json")
    listing = await bank.head("7")
    assert listing is not None
    assert listing.revision == revision
    assert (await bank.read("7", revision)).content == b"committed"


async def test_other_entries_are_ignored(folder: FolderKind, bank: FolderBank) -> None:
    """Files, and folders whose names are no numbers, are no items."""
    folder.item("7").commit(b"{}")
    (folder.root / "8").write_text("a file")
    for name in ("readme", "-9", "9.git.old", "٩", "itembankreports"):
        (folder.root / name).mkdir()
    assert [listing.key for listing in await listed(bank)] == ["7"]


async def test_projects_are_ignored_whatever_their_case(folder: FolderKind) -> None:
    """The list of projects names folders, with or without their ending, in any case."""
    for key in ("7", "8", "9"):
        folder.item(key).commit(b"{}")
    bank = folder.bank(ignore_projects=["7.GIT", "8"])
    assert [listing.key for listing in await listed(bank)] == ["9"]
    await bank.aclose()


async def test_two_folders_for_one_item(folder: FolderKind, bank: FolderBank) -> None:
    """Where 7 and 7.git are both there neither is taken for the item."""
    for name in ("7", "7.git"):
        Repository(folder.root / name).commit(b"{}")
    assert await problem_of(bank, "7") is ProblemKind.DUPLICATE_ID
    assert len(await listed(bank)) == 1


@pytest.mark.parametrize("key", ["007", "0", "12345678901234567890", str(ITEM_ID_MAX + 1)])
async def test_numbers_that_are_no_ids(folder: FolderKind, bank: FolderBank, key: str) -> None:
    """A folder whose number cannot be an item id is a problem, not a surprise."""
    folder.item(key).commit(b"{}")
    assert await problem_of(bank, key) is ProblemKind.BAD_KEY


async def test_the_largest_id_is_one(folder: FolderKind, bank: FolderBank) -> None:
    """The largest number that fits is an item id."""
    folder.item(str(ITEM_ID_MAX)).commit(b"{}")
    assert await problem_of(bank, str(ITEM_ID_MAX)) is None


async def test_a_numeric_folder_without_a_repository(
    folder: FolderKind, bank: FolderBank, tmp_path: Path
) -> None:
    """It is a problem, also where the bank itself lies within a repository."""
    Repository(tmp_path / "around.git")
    (folder.root / "7").mkdir()
    assert await problem_of(bank, "7") is ProblemKind.NOT_A_REPOSITORY


async def test_a_repository_of_a_format_that_cannot_be_read(
    folder: FolderKind, bank: FolderBank
) -> None:
    """A SHA-256 repository is a problem of its own, and the others are listed beside it."""
    Repository(folder.root / "7.git", object_format="sha256").commit(b"{}")
    folder.item("8").commit(b"{}")
    assert await problem_of(bank, "7") is ProblemKind.UNREADABLE_REPOSITORY
    assert await problem_of(bank, "8") is None


async def test_a_damaged_repository(folder: FolderKind, bank: FolderBank) -> None:
    """A HEAD of garbage is found by the listing, missing objects by the reading."""
    garbage, hollow = folder.item("7"), folder.item("8")
    for repository in (garbage, hollow):
        repository.commit(b"{}")
    wanted = await want(bank, "8")
    (garbage.path / "HEAD").write_bytes(b"\xff\x00garbage")
    for path in (hollow.path / "objects").glob("??/*"):
        path.unlink()

    assert await problem_of(bank, "7") is ProblemKind.UNREADABLE_REPOSITORY
    (rejected,) = await changes(bank, [wanted])
    assert isinstance(rejected, Rejected)
    assert rejected.problem.kind is ProblemKind.UNREADABLE_REPOSITORY
    assert rejected.revision == wanted.revision


async def test_an_item_removed_during_the_scan_leaves_it_complete(
    folder: FolderKind, bank: FolderBank
) -> None:
    """Items come and go; only the bank's own absence makes a listing incomplete."""
    folder.item("7").commit(b"{}")
    scan = bank.scan()
    async with aclosing(scan.__aiter__()) as slices:
        await anext(slices)
        folder.remove("7")
        assert [listings async for listings in slices] == []
    assert scan.complete


async def test_a_folder_put_in_the_place_of_the_bank_makes_the_scan_incomplete(
    folder: FolderKind, bank: FolderBank
) -> None:
    """An empty mount point that shows when the volume goes is not the bank."""
    folder.item("7").commit(b"{}")
    scan = bank.scan()
    async with aclosing(scan.__aiter__()) as slices:
        await anext(slices)
        folder.go_away()
        folder.root.mkdir()
        with pytest.raises(BankUnavailableError):
            await anext(slices)
    assert not scan.complete


async def test_a_folder_that_cannot_tell_says_so(folder: FolderKind, bank: FolderBank) -> None:
    """An error of the file system's is not taken for the item's absence, nor let through bare."""
    folder.item("7")
    assert await bank.head("8") is None
    with pytest.raises(BankUnavailableError, match="File name too long"):
        await bank.head("8" * 300)


async def test_a_file_is_no_bank(tmp_path: Path) -> None:
    """The check names what is wrong with what."""
    path = tmp_path / "file"
    path.write_text("")
    bank = FolderBank(path)
    with pytest.raises(BankUnavailableError, match=r"file cannot be read: Not a directory"):
        await bank.check()
    await bank.aclose()


async def test_a_link_that_leads_nowhere_is_not_absence(
    folder: FolderKind, bank: FolderBank
) -> None:
    """A link to a folder that is not mounted now is a problem, and no reason to delete the item."""
    (folder.root / "7.git").symlink_to(folder.root / "not-mounted")
    assert await problem_of(bank, "7") is ProblemKind.NOT_A_REPOSITORY


async def test_a_link_that_loops_is_one_items_problem(folder: FolderKind, bank: FolderBank) -> None:
    """One entry that cannot be followed does not make the whole bank unreadable."""
    folder.item("8").commit(b"{}")
    (folder.root / "7").symlink_to("7")
    assert await problem_of(bank, "7") is ProblemKind.NOT_A_REPOSITORY
    assert await problem_of(bank, "8") is None

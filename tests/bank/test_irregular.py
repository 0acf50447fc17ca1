"""Pipes among the files of a repository: libgit2 would wait for them with the interpreter held."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ingest.bank.folder import FolderBank
from ingest.errors import BankUnavailableError, ItemNotFoundError
from ingest.model.item import ProblemKind, Rejected
from tests.support.bank_calls import changes, listed, want
from tests.support.one_repository import OneRepositoryKind
from tests.support.pipes import pipe_at
from tests.support.repositories import FolderKind, Repository

PLACES = [
    *("HEAD", "config", "packed-refs", "refs/heads/main"),
    *("shallow", "gitdir", "commondir", "info/grafts", "objects/info/alternates"),
]


@pytest.fixture
async def bank(folder: FolderKind) -> AsyncIterator[FolderBank]:
    """The bank over that folder."""
    made = folder.bank()
    yield made
    await made.aclose()


async def named_by(bank: FolderBank, key: str) -> str:
    """Return the message of the problem with which an item is listed."""
    found = {listing.key: listing for listing in await listed(bank)}
    assert await bank.head(key) == found[key]
    problem = found[key].problem
    assert problem is not None
    assert problem.kind is ProblemKind.UNREADABLE_REPOSITORY
    return problem.message


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", ["7", "7.git"])
async def test_a_pipe_is_a_problem_of_its_item(
    folder: FolderKind, bank: FolderBank, name: str, place: str
) -> None:
    """It is named, whatever is asked of the item, and the others are listed."""
    repository = Repository(folder.root / name)
    repository.commit(b"{}")
    folder.item("8").commit(b"{}")
    wanted = await want(bank, "7")
    git = repository.path if name.endswith(".git") else repository.path / ".git"
    with pipe_at(git / place):
        assert f"{git / place} is no regular file" in await named_by(bank, "7")
        assert [listing.problem is None for listing in await listed(bank)] == [False, True]
        (rejected,) = await changes(bank, [wanted])
        assert isinstance(rejected, Rejected)
        assert rejected.problem.kind is ProblemKind.UNREADABLE_REPOSITORY
        with pytest.raises(ItemNotFoundError, match="no regular file"):
            await bank.log("7")


async def test_a_link_to_a_pipe_is_one(
    folder: FolderKind, bank: FolderBank, tmp_path: Path
) -> None:
    """It is where the link leads that counts."""
    config = folder.root / "7.git" / "config"
    Repository(config.parent).commit(b"{}")
    config.rename(tmp_path / "config")
    config.symlink_to(tmp_path / "config")
    (listing,) = await listed(bank)
    assert listing.problem is None
    with pipe_at(tmp_path / "config"):
        assert f"{config} is no regular file" in await named_by(bank, "7")


@pytest.mark.parametrize("place", ["config", "packed-refs", "refs/heads/other", None])
async def test_a_work_tree_of_another_repository(
    folder: FolderKind, bank: FolderBank, tmp_path: Path, place: str | None
) -> None:
    """Its ``.git`` is a file that leads to where HEAD is, and on to where the rest is."""
    main = Repository(tmp_path / "main")
    revision = main.commit(b"{}")
    path = folder.root / "7"
    main.git("worktree", "add", "-b", "other", str(path), revision)
    (listing,) = await listed(bank)
    assert (listing.revision, listing.problem) == (revision, None)
    if place is not None:
        with pipe_at(main.path / ".git" / place):
            assert f"{place} is no regular file" in await named_by(bank, "7")
    with pipe_at(main.path / ".git" / "worktrees" / "7" / "HEAD"):
        assert "HEAD is no regular file" in await named_by(bank, "7")
    with pipe_at(path / ".git"):
        assert f"{path}/.git is no regular file" in await named_by(bank, "7")


async def test_a_bank_of_one_repository(one: OneRepositoryKind) -> None:
    """There it is the whole bank that cannot be read, and that is said."""
    one.item("7").commit(b"{}")
    bank = one.bank()
    await bank.check()
    (config,) = [path for path in one.root.rglob("config") if path.is_file()]
    with (
        pipe_at(config),
        pytest.raises(BankUnavailableError, match="config is no regular file"),
    ):
        await bank.head("7")
    await bank.aclose()

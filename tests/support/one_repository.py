"""Item banks that are one repository, made with the real git, and what is told of their items."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import pygit2

from ingest.bank.one_repository import OneRepositoryBank
from ingest.bank.pace import Pace
from ingest.model.item import Rejected
from tests.support.bank_calls import changes, want
from tests.support.repositories import DAY_S, FIRST_COMMIT_S, Repository, inline


class Folder:
    """One item's folder in a repository for all items."""

    def __init__(self, repository: Repository, key: str) -> None:
        self._repository = repository
        self._key = key
        self._commits = 0

    def commit(
        self,
        content: bytes | None,
        *,
        author: str = "Ada",
        beside: Mapping[str, bytes] | None = None,
        anew: bool = False,
    ) -> str:
        """See `Item.commit`. A file of notes makes every commit change the folder."""
        files = {"notes": b"%d" % self._commits, **(beside or {})}
        files |= {} if content is None else {"item.json": content}
        seconds = FIRST_COMMIT_S + self._commits * DAY_S
        self._commits += 1
        return commit_folders(
            self._repository, {self._key: files}, author=author, seconds=seconds, anew=anew
        )

    def revision(self) -> str:
        """See `Item.revision`."""
        return self._repository.git("rev-parse", f"HEAD:{self._key}")


def commit_folders(
    repository: Repository,
    folders: Mapping[str, Mapping[str, bytes] | bytes | None],
    *,
    author: str = "Ada",
    seconds: int = FIRST_COMMIT_S,
    anew: bool = False,
    merge: str | None = None,
) -> str:
    """Commit folders at the root of a repository, or files, or their absence; return the hash.

    What is not named stays. *anew* forgets the history; *merge* is a second parent.
    """
    at = f"{author} <author@items.example> {seconds} +0000"
    branch = f"refs/heads/{repository.branch}"
    lines = [f"commit {branch}", f"author {at}", f"committer {at}", "data 0"]
    lines += [] if anew else [f"from {branch}^0"]
    lines += [] if merge is None else [f"merge {merge}"]
    if anew:
        lines.append(f'M 040000 {repository.git("rev-parse", "HEAD^{tree}")} ""')
    stream = "\n".join([*lines, ""]).encode()
    for name, files in folders.items():
        stream += f"D {name}\n".encode()
        if isinstance(files, bytes):
            stream += inline(name, files)
        else:
            stream += b"".join(
                inline(f"{name}/{file}", data) for file, data in (files or {}).items()
            )
    repository.git("fast-import", "--quiet", "--force", stdin=stream)
    return repository.git("rev-parse", "HEAD")


class OneRepositoryKind:
    """The bank that is one repository."""

    def __init__(self, root: Path, *, branch: str = "main") -> None:
        self.root = root
        self.repository = Repository(root, branch=branch)
        self.repository.commit(None, beside={"README.md": b"Items\n"})

    def item(self, key: str) -> Folder:
        """See `BankKind.item`. It is not there before its first commit."""
        return Folder(self.repository, key)

    def remove(self, key: str) -> None:
        """See `BankKind.remove`."""
        commit_folders(self.repository, {key: None})

    def go_away(self) -> None:
        """See `BankKind.go_away`."""
        self.root.rename(self.root.with_name("away"))

    def bank(
        self,
        *,
        pace: Pace | None = None,
        ignore_projects: Iterable[str] = (),
        ignore_items: Iterable[int] = (),
    ) -> OneRepositoryBank:
        """See `BankKind.bank`."""
        return OneRepositoryBank(
            self.root, pace=pace, ignore_projects=ignore_projects, ignore_items=ignore_items
        )


def put(one: OneRepositoryKind, **documents: bytes | None) -> str:
    """Commit items by their ids, with an underscore before each; None takes one away."""
    folders: dict[str, Mapping[str, bytes] | None] = {
        name.removeprefix("_"): None if document is None else {"item.json": document}
        for name, document in documents.items()
    }
    return commit_folders(one.repository, folders)


def grow(one: OneRepositoryKind, *, commits: int, items: int) -> list[str]:
    """Commit all items, then one after the other; return the hashes, oldest first."""
    repository = pygit2.Repository(str(one.root))
    root = repository.TreeBuilder(repository[repository.head.target].peel(pygit2.Tree))

    def folder(number: int) -> pygit2.Oid:
        builder = repository.TreeBuilder()
        blob = repository.create_blob(b"%d" % number)
        builder.insert("item.json", blob, pygit2.enums.FileMode.BLOB)
        return builder.write()

    for key in range(1, items + 1):
        root.insert(str(key), folder(0), pygit2.enums.FileMode.TREE)
    who = pygit2.Signature("Ada", "ada@items.example", 1_600_000_000)
    hashes: list[str] = []
    for number in range(commits):
        if number:
            root.insert(str(number % items + 1), folder(number), pygit2.enums.FileMode.TREE)
        parent = repository.head.target
        made = repository.create_commit("HEAD", who, who, "", root.write(), [parent])
        hashes.append(str(made))
    return hashes


async def history(
    bank: OneRepositoryBank, key: str, after: str | None = None
) -> tuple[list[str], list[bytes | None], bool]:
    """Return the commits and documents of an item, and whether they are all there are."""
    (found,) = await changes(bank, [await want(bank, key, after)])
    assert not isinstance(found, Rejected)
    made, documents = found
    hashes = [document.commit.hash for document in documents]
    assert [commit.hash for commit in (await bank.log(key, after)).commits] == hashes
    return hashes, [document.content for document in documents], made.is_whole

"""One item's repository, read with libgit2: committed state only, never a checkout, no hooks.

Everything here blocks, and belongs into a worker thread.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import pygit2
from pygit2.enums import ConfigLevel, FileMode, ObjectType, RepositoryOpenFlag

from ingest.bank.document import BEING_CREATED_NAME, DOCUMENT_NAME, not_a_file, too_large
from ingest.bank.irregular import refuse_irregular
from ingest.model.item import DOCUMENT_LIMIT_BYTES, Commit, Document, Problem, ProblemKind

#: What libgit2 raises for a repository that is damaged, forbidden or of an unknown format.
UNREADABLE: Final = (pygit2.GitError, KeyError, ValueError, OSError)

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

# The bank may belong to another user, and nobody's own git configuration may change what is read.
pygit2.option(pygit2.enums.Option.SET_OWNER_VALIDATION, False)
# As git itself does: hashing each object again as it is read is what git fsck is for. Whatever is
# stored has a checksum besides; with large trees, hashing was most of the work of reading.
pygit2.option(pygit2.enums.Option.ENABLE_STRICT_HASH_VERIFICATION, False)
for _level in (ConfigLevel.SYSTEM, ConfigLevel.XDG, ConfigLevel.GLOBAL, ConfigLevel.PROGRAMDATA):
    pygit2.settings.search_path[_level] = ""


def open_repository(path: Path) -> pygit2.Repository:
    """Open the repository at exactly *path*, bare or not.

    Raises:
        One of `UNREADABLE`.
    """
    refuse_irregular(path)
    return pygit2.Repository(str(path), RepositoryOpenFlag.NO_SEARCH)


def head_revision(repository: pygit2.Repository) -> str | None:
    """Return the hash that the repository's own HEAD stands for; None before the first commit."""
    # Every question is a look at the file system: only where there is no answer is there another.
    try:
        return str(repository.head.target)
    except UNREADABLE:
        if repository.head_is_unborn:
            return None
        raise


def branch_name(repository: pygit2.Repository) -> str:
    """Return the default branch's name, or ``HEAD`` where HEAD names a commit."""
    return repository.head.shorthand


def dangling(repository: pygit2.Repository) -> Problem | None:
    """Return what is wrong where HEAD's branch does not exist; None where no branch does."""
    others = list(repository.raw_listall_branches())
    if not others:
        return None
    names = ", ".join(name.decode("utf-8", "replace") for name in sorted(others)[:3])
    target = repository.lookup_reference("HEAD").raw_target
    wanted = target.decode("utf-8", "replace") if isinstance(target, bytes) else str(target)
    return Problem(
        ProblemKind.NO_DEFAULT_BRANCH,
        f"HEAD names {wanted}, which does not exist, while there are the branches {names}: "
        "make one of them the default branch (git symbolic-ref HEAD refs/heads/NAME)",
    )


def first_parents(
    repository: pygit2.Repository,
    revision: str,
    after: str | None,
    check: Callable[[], None],
) -> tuple[list[pygit2.Commit], bool]:
    """Return the commits from *after* (left out) to *revision*, oldest first, by first parents.

    *check* is called between commits, to raise when it is time to give up. Also returns whether
    they begin with the first commit, for *after* was not met. At least one commit is returned:
    *revision* itself where it equals *after*.
    """
    chain: list[pygit2.Commit] = []
    commit = repository[revision].peel(pygit2.Commit)
    while True:
        if str(commit.id) == after and chain:
            return chain[::-1], False
        chain.append(commit)
        check()
        parents = commit.parent_ids
        if not parents:
            break
        commit = repository[parents[0]].peel(pygit2.Commit)
    if str(chain[0].id) == after:
        return chain[:1], False
    return chain[::-1], True


def read_documents(
    repository: pygit2.Repository,
    states: Iterable[tuple[pygit2.Commit, pygit2.Tree | None]],
    check: Callable[[], None],
) -> Iterator[Document]:
    """Yield the document at each of these commits; a blob that stays is read once.

    With each commit comes the folder that holds the item's files; None where there is none.
    """
    last_blob: pygit2.Oid | None = None
    content: bytes | None = None
    problem: Problem | None = None
    for commit, tree in states:
        check()
        blob = None if tree is None else _blob(tree, DOCUMENT_NAME)
        if blob is None:
            content, problem = None, None if tree is None else _no_file(tree, DOCUMENT_NAME)
        elif blob != last_blob:
            content, problem = _content(repository, blob)
        last_blob = blob
        yield Document(
            commit=describe(commit),
            content=content,
            problem=problem,
            is_being_created=tree is not None and BEING_CREATED_NAME in tree,
        )


def describe(commit: pygit2.Commit) -> Commit:
    """Return what is to be known of a commit, whatever bytes and numbers it was made with."""
    try:
        committed_at = _EPOCH + timedelta(seconds=commit.commit_time)
    except OverflowError:
        committed_at = _EPOCH
    author = commit.author.raw_name.decode("utf-8", errors="replace")
    return Commit(hash=str(commit.id), committed_at=committed_at, author=author)


def _blob(tree: pygit2.Tree, name: str) -> pygit2.Oid | None:
    if name not in tree:
        return None
    entry = tree[name]
    is_file = entry.filemode in {FileMode.BLOB, FileMode.BLOB_EXECUTABLE}
    return entry.id if is_file else None


def _no_file(tree: pygit2.Tree, name: str) -> Problem | None:
    return not_a_file() if name in tree else None


def _content(
    repository: pygit2.Repository, blob: pygit2.Oid
) -> tuple[bytes | None, Problem | None]:
    kind, size_bytes = repository.odb.read_header(blob)[:2]
    if kind != ObjectType.BLOB:
        raise ValueError(f"{blob} is no blob")
    if size_bytes > DOCUMENT_LIMIT_BYTES:
        return None, too_large(size_bytes)
    return repository.odb.read(blob)[1], None

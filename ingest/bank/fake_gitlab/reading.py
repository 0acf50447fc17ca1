"""What the server reads of a repository, as GitLab's storage would: refs, commits, trees, blobs.

Everything here blocks, and belongs into a worker thread.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from itertools import islice
from pathlib import Path
from typing import Final

import pygit2
from attrs import frozen
from pygit2.enums import ObjectType, SortMode

from ingest.bank.repository import UNREADABLE, open_repository

#: Branches that are taken for the default where HEAD names none that there is.
_USUAL: Final = ("main", "master")
_SHA_DIGITS: Final = 40


@frozen(kw_only=True)
class Look:
    """How a repository stands."""

    exists: bool
    #: The default branch, also the one that is still to come; None without a repository.
    branch: str | None = None
    #: The commit of the default branch; None where there is none.
    sha: str | None = None
    committed_at: str | None = None
    #: When a ref was last written, in seconds since 1970.
    pushed_at: float | None = None


@frozen
class Entry:
    """One entry of a tree."""

    id: str
    name: str
    type: str
    path: str
    mode: str


@frozen(kw_only=True)
class Blob:
    """One file at one commit."""

    path: str
    data: bytes
    blob_id: str
    commit_id: str
    last_commit_id: str
    is_executable: bool


def look(directory: Path, known: tuple[str, str] | None) -> Look:
    """Look at a repository's default branch.

    Args:
        directory: The repository.
        known: A commit and its date, to spare reading the date once more.
    """
    try:
        repository = open_repository(directory)
        branch, sha = default_branch(repository)
        committed_at = None
        if sha is not None:
            is_known = known is not None and known[0] == sha
            committed_at = known[1] if known and is_known else _date(repository, sha)
    except UNREADABLE:
        return Look(exists=False)
    pushed_at = _written_at(Path(repository.path), branch)
    return Look(exists=True, branch=branch, sha=sha, committed_at=committed_at, pushed_at=pushed_at)


def head_commit(directory: Path) -> dict[str, object] | None:
    """Return the default branch's commit as the API shows it; None where there is none."""
    try:
        found = resolve(open_repository(directory), None)
        return None if found is None else describe(found)
    except UNREADABLE:
        return None


def default_branch(repository: pygit2.Repository) -> tuple[str, str | None]:
    """Return the default branch's name and its commit; None where there is no branch.

    Where HEAD names none that there is, a usual one is, or else the first.
    """
    try:
        head = repository.head
        if head.name != "HEAD":  # a HEAD that names a commit is nothing that GitLab has
            return head.shorthand, str(head.target)
    except pygit2.GitError:
        pass
    branches = sorted(repository.raw_listall_branches())
    names = [name.decode("utf-8", "replace") for name in branches]
    for name in (*_USUAL, *names):
        if name in names:
            return name, str(repository.branches[name].target)
    target = repository.lookup_reference("HEAD").raw_target
    unborn = target.decode("utf-8", "replace") if isinstance(target, bytes) else str(target)
    return unborn.removeprefix("refs/heads/"), None


def resolve(repository: pygit2.Repository, ref: str | None) -> pygit2.Commit | None:
    """Return the commit of a branch, a tag or a hash; of the default branch if None."""
    if ref is None or ref == "HEAD":
        _, sha = default_branch(repository)
        return None if sha is None else repository[sha].peel(pygit2.Commit)
    for name in (f"refs/heads/{ref}", f"refs/tags/{ref}", ref):
        try:
            if name.startswith("refs/"):
                return repository.lookup_reference(name).peel(pygit2.Commit)
            found = repository.get(name) if len(name) == _SHA_DIGITS else None
            return None if found is None else found.peel(pygit2.Commit)
        except (KeyError, ValueError, pygit2.GitError):
            continue
    return None


def branch_commit(repository: pygit2.Repository, name: str) -> pygit2.Commit | None:
    """Return a branch's commit; None where there is no such branch."""
    try:
        return repository.lookup_reference(f"refs/heads/{name}").peel(pygit2.Commit)
    except (KeyError, ValueError, pygit2.GitError):
        return None


def commits(
    repository: pygit2.Repository,
    begin: pygit2.Commit,
    *,
    first_parent: bool = False,
    path: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Iterator[pygit2.Commit]:
    """Yield commits, newest first, that fit."""
    for commit in _walk(repository, begin, first_parent=first_parent):
        at = datetime.fromtimestamp(commit.commit_time, UTC)
        if since is not None and at < since:
            continue
        if until is not None and at > until:
            continue
        if not path or _touches(commit, path):
            yield commit


def page(
    found: Iterator[pygit2.Commit], begin: int, size: int, check: Callable[[], None]
) -> list[dict[str, object]]:
    """Return some of the commits as the API shows them."""
    shown = []
    for number, commit in enumerate(islice(found, begin + size)):
        check()
        if number >= begin:
            shown.append(describe(commit))
    return shown


def describe(commit: pygit2.Commit) -> dict[str, object]:
    """Return a commit as the API shows it, without its address."""
    sha = str(commit.id)
    message = commit.raw_message.decode("utf-8", "replace")
    title = message.strip().partition("\n")[0]
    committed_at = iso(commit.commit_time, commit.commit_time_offset)
    author, committer = commit.author, commit.committer
    return {
        "id": sha,
        "short_id": sha[:8],
        "created_at": committed_at,
        "parent_ids": [str(parent) for parent in commit.parent_ids],
        "title": title or "--no commit message",
        "message": message,
        "author_name": author.raw_name.decode("utf-8", "replace"),
        "author_email": author.raw_email.decode("utf-8", "replace"),
        "authored_date": iso(author.time, author.offset),
        "committer_name": committer.raw_name.decode("utf-8", "replace"),
        "committer_email": committer.raw_email.decode("utf-8", "replace"),
        "committed_date": committed_at,
        "trailers": {},
        "extended_trailers": {},
    }


def tree_entries(commit: pygit2.Commit, path: str, *, recursive: bool) -> list[Entry] | None:
    """Return what a folder holds, folders first; None where there is no such folder."""
    tree = commit.tree
    if path:
        try:
            found = tree[path]
        except KeyError:
            return None
        if not isinstance(found, pygit2.Tree):
            return None
        tree = found
    prefix = f"{path}/" if path else ""
    return list(_entries(tree, prefix, recursive=recursive))


def blob(repository: pygit2.Repository, commit: pygit2.Commit, path: str) -> Blob | None:
    """Return a file at a commit; None where there is none."""
    try:
        found = commit.tree[path]
    except (KeyError, ValueError):
        return None
    if not isinstance(found, pygit2.Blob):
        return None
    last = next(commits(repository, commit, path=path), commit)
    return Blob(
        path=path,
        data=found.data,
        blob_id=str(found.id),
        commit_id=str(commit.id),
        last_commit_id=str(last.id),
        is_executable=found.filemode == pygit2.enums.FileMode.BLOB_EXECUTABLE,
    )


def iso(seconds: int, offset_minutes: int) -> str:
    """Return a moment as the REST API writes it, with the offset it was made with."""
    try:
        zone = timezone(timedelta(minutes=offset_minutes))
        return datetime.fromtimestamp(seconds, zone).isoformat(timespec="milliseconds")
    except (OverflowError, ValueError, OSError):
        return "1970-01-01T00:00:00.000+00:00"


def _entries(tree: pygit2.Tree, prefix: str, *, recursive: bool) -> Iterator[Entry]:
    order = {ObjectType.TREE: 0, ObjectType.BLOB: 1}
    for entry in sorted(tree, key=lambda one: order.get(one.type, 2)):
        kind = {ObjectType.TREE: "tree", ObjectType.BLOB: "blob"}.get(entry.type, "commit")
        name = (entry.raw_name or b"").decode("utf-8", "replace")
        yield Entry(str(entry.id), name, kind, prefix + name, f"{entry.filemode:06o}")
        if recursive and isinstance(entry, pygit2.Tree):
            yield from _entries(entry, f"{prefix}{name}/", recursive=True)


def _walk(
    repository: pygit2.Repository, begin: pygit2.Commit, *, first_parent: bool
) -> Iterator[pygit2.Commit]:
    if not first_parent:
        yield from repository.walk(begin.id, SortMode.TIME)
        return
    commit = begin
    while True:
        yield commit
        if not commit.parent_ids:
            return
        commit = repository[commit.parent_ids[0]].peel(pygit2.Commit)


def _touches(commit: pygit2.Commit, path: str) -> bool:
    """Return whether a commit differs in a path from each of its parents."""
    here = _entry_id(commit, path)
    parents = commit.parents
    if not parents:
        return here is not None
    return all(_entry_id(parent, path) != here for parent in parents)


def _entry_id(commit: pygit2.Commit, path: str) -> tuple[pygit2.Oid, int] | None:
    try:
        entry = commit.tree[path]
    except (KeyError, ValueError):
        return None
    return entry.id, int(entry.filemode or 0)


def _date(repository: pygit2.Repository, sha: str) -> str:
    commit = repository[sha].peel(pygit2.Commit)
    return iso(commit.commit_time, commit.commit_time_offset)


def _written_at(git: Path, branch: str) -> float | None:
    for name in (f"refs/heads/{branch}", "packed-refs", "HEAD"):
        try:
            return (git / name).stat().st_mtime
        except (OSError, ValueError):
            continue
    return None

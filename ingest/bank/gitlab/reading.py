"""Reading one project: its commits, and item.json as it was at each of them."""

from collections.abc import AsyncGenerator, Callable, Collection, Iterator, Sequence
from contextlib import aclosing
from http import HTTPStatus
from typing import Final

from attrs import frozen

from ingest.bank.document import BEING_CREATED_NAME, DOCUMENT_NAME, not_a_file, too_large
from ingest.bank.gitlab.api import COMMITS, DOCUMENT, TREE
from ingest.bank.gitlab.client import Client, Content
from ingest.bank.gitlab.facts import CommitFact, TreeEntry, facts
from ingest.bank.gitlab.failures import AskError, RefusedError
from ingest.bank.gitlab.group import is_refused
from ingest.bank.gitlab.projects import PER_PAGE
from ingest.model.item import DOCUMENT_LIMIT_BYTES, Commit, Document, Problem

#: Where a commit of before is known, the new ones are few as a rule.
_FEW_PER_PAGE: Final = "20"

#: Of so many commits each is asked for its document; of more it is found out first which changed
#: it.
_FEW: Final = 2

#: git's modes of what is a file.
_FILE_MODES: Final = frozenset({"100644", "100755"})


@frozen(kw_only=True)
class State:
    """A project's root folder at its newest commit, as far as it matters."""

    #: Whether item.json is there as a file.
    has_document: bool
    problem: Problem | None
    is_being_created: bool


@frozen(kw_only=True)
class Past:
    """What is to be read of a project."""

    bank_id: int
    #: Oldest first, along the first parents; at least one.
    commits: Sequence[Commit]
    is_whole: bool
    newest: State
    #: The commits that changed item.json; None where that was not asked for.
    touching: Collection[str] | None


@frozen(kw_only=True)
class Blob:
    """What item.json holds at a commit."""

    id: str | None
    content: bytes | None
    problem: Problem | None


_ABSENT: Final = Blob(id=None, content=None, problem=None)


class ProjectReader:
    """Reads projects by their numbers. Everything it raises is an `AskError`."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def past(self, bank_id: int, revision: str, after: str | None) -> Past:
        """Return what is to be read of a project up to *revision*, from behind *after* on."""
        newest = await self._root(bank_id, revision)
        # Behind it, for they prove that it is not the project that was not found.
        commits, is_whole = await self.commits(bank_id, revision, after)
        touching = None
        if len(commits) > _FEW:
            touching = await self._touching(bank_id, revision, {one.hash for one in commits})
        return Past(
            bank_id=bank_id,
            commits=commits,
            is_whole=is_whole,
            newest=newest,
            touching=touching,
        )

    async def commits(
        self, bank_id: int, revision: str, after: str | None
    ) -> tuple[list[Commit], bool]:
        """Return the commits behind *after*, oldest first; the newest one at least.

        Also whether they begin with the first, for *after* was not met.
        """
        chain: list[Commit] = []
        pages = self._commits(bank_id, revision, PER_PAGE if after is None else _FEW_PER_PAGE)
        async with aclosing(pages):
            async for commit in pages:
                if commit.hash == after and chain:
                    return chain[::-1], False
                chain.append(commit)
                if commit.hash == after == revision:
                    return chain, False
        if not chain or chain[0].hash != revision:
            raise _not_found(bank_id, revision)
        return chain[::-1], True

    async def document(self, bank_id: int, revision: str) -> Document:
        """Return the document as it is at a revision."""
        newest = await self._root(bank_id, revision)
        async with aclosing(self._commits(bank_id, revision, "1")) as commits:
            commit = await anext(commits, None)
        if commit is None:
            raise _not_found(bank_id, revision)
        blob = await self.blob(bank_id, revision) if newest.has_document else _ABSENT
        if newest.has_document and blob.id is None:
            raise _not_found(bank_id, revision)
        return Document(
            commit=commit,
            content=blob.content,
            problem=blob.problem or newest.problem,
            is_being_created=newest.is_being_created,
        )

    async def blob(self, bank_id: int, commit: str) -> Blob:
        """Return what item.json holds at a commit; nothing where it is not there."""
        try:
            found = await self._client.content(
                DOCUMENT,
                {"id": bank_id, "file": DOCUMENT_NAME},
                {"ref": commit},
                limit_bytes=DOCUMENT_LIMIT_BYTES,
            )
        except AskError as error:
            if is_refused(error, HTTPStatus.NOT_FOUND):
                return _ABSENT
            raise
        return _blob(found)

    async def _commits(
        self, bank_id: int, revision: str, per_page: str, **parameters: str
    ) -> AsyncGenerator[Commit, None]:
        asked = {"ref_name": revision, "first_parent": "true", "per_page": per_page, **parameters}
        pages = self._client.pages(
            COMMITS, {"id": bank_id}, asked, tell=lambda d: facts(CommitFact, d)
        )
        async with aclosing(pages):
            async for page in pages:
                for one in page.told:
                    yield Commit(one.id, one.committed_date, one.author_name)

    async def _touching(self, bank_id: int, revision: str, among: Collection[str]) -> set[str]:
        """Return which of these commits, the newest of the project, changed item.json."""
        touching: set[str] = set()
        pages = self._commits(bank_id, revision, PER_PAGE, path=DOCUMENT_NAME)
        async with aclosing(pages):
            async for commit in pages:
                if commit.hash not in among:
                    break  # older than all of them
                touching.add(commit.hash)
        return touching

    async def _root(self, bank_id: int, revision: str) -> State:
        has_document = is_being_created = False
        problem = None
        pages = self._client.pages(
            TREE,
            {"id": bank_id},
            {"ref": revision, "per_page": PER_PAGE},
            tell=lambda d: facts(TreeEntry, d),
        )
        try:
            async with aclosing(pages):
                async for page in pages:
                    for entry in page.told:
                        if entry.name == BEING_CREATED_NAME:
                            is_being_created = True
                        elif entry.name == DOCUMENT_NAME:
                            has_document = entry.mode in _FILE_MODES
                            problem = None if has_document else not_a_file()
        except AskError as error:
            # What GitLab says of a commit without a single file.
            if not is_refused(error, HTTPStatus.NOT_FOUND):
                raise
        return State(has_document=has_document, problem=problem, is_being_created=is_being_created)


def documents(past: Past, fetch: Callable[[str], Blob]) -> Iterator[Document]:
    """Yield the document at each commit; *fetch* is asked where it may be another than before.

    Consecutive documents of the same blob hold the very same object.

    Raises:
        RefusedError: The newest one is there, and is not found all the same.
    """
    last = len(past.commits) - 1
    blob = _ABSENT
    for index, commit in enumerate(past.commits):
        if index == last and not past.newest.has_document:
            blob = _ABSENT
        elif _may_differ(past, index):
            found = fetch(commit.hash)
            blob = blob if found.id is not None and found.id == blob.id else found
        if index == last and past.newest.has_document and blob.id is None:
            raise _not_found(past.bank_id, commit.hash)
        yield Document(
            commit=commit,
            content=blob.content,
            problem=blob.problem or (past.newest.problem if index == last else None),
            is_being_created=past.newest.is_being_created and index == last,
        )


def _not_found(bank_id: int, commit: str) -> RefusedError:
    return RefusedError(
        f"404, project {bank_id} has no commit {commit}", status=HTTPStatus.NOT_FOUND
    )


def _may_differ(past: Past, index: int) -> bool:
    if past.touching is None or past.commits[index].hash in past.touching:
        return True
    # What was before the first of them is not known, unless nothing was.
    return index == 0 and not past.is_whole


def _blob(found: Content) -> Blob:
    problem = None if found.content is not None else too_large(found.size_bytes)
    return Blob(id=found.headers["X-Gitlab-Blob-Id"], content=found.content, problem=problem)

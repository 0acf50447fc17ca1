"""The item bank that is one local git repository, with a folder for each item."""

import re
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

import pygit2

from ingest.bank.base import Listing, Log, Unrelated, Wanted
from ingest.bank.chain import Chain, Found
from ingest.bank.histories import Histories, Sought
from ingest.bank.names import Ignored
from ingest.bank.pace import Pace
from ingest.bank.place import Place
from ingest.bank.repository import UNREADABLE, branch_name, describe, read_documents
from ingest.bank.root_listing import Pinned, RootListing
from ingest.errors import ItemNotFoundError
from ingest.model.item import Document, History, Problem, ProblemKind, Rejected
from ingest.slices import InterruptedSliceError, Slice, Slices

T = TypeVar("T")

#: How many entries a slice of the listing has at most.
LISTINGS_AT_ONCE: Final = 1000

_HASH: Final = re.compile(r"[0-9a-f]{40}")


class OneRepositoryBank:
    """A repository, bare or not, with a folder named by its id for each item.

    An item's revision is its folder's tree. Its history is told by the commits along HEAD's first
    parents that changed the folder; which ones did is found out for all items together, and kept.

    Args:
        root: The repository.
        pace: Caps the reading of documents; listing and finding out is free.
        ignore_projects: Names of folders to pass over, whatever their case.
        ignore_items: Item ids to pass over.
    """

    def __init__(
        self,
        root: Path,
        *,
        pace: Pace | None = None,
        ignore_projects: Iterable[str] = (),
        ignore_items: Iterable[int] = (),
    ) -> None:
        self._place = Place(root)
        ignored = Ignored(projects=ignore_projects, items=ignore_items)
        self._root = RootListing(self._place, ignored)
        self._histories = Histories(self._place)
        self._pace = pace or Pace(None)
        self._slices = Slices()

    async def check(self) -> None:
        """See `ItemBank.check`."""
        await self._slices.run(lambda _: self._place.head(self._place.open()))

    def scan(self, since: str | None = None) -> "OneRepositoryScan":
        """See `ItemBank.scan`. The listing is one object of git's: *since* changes nothing."""
        del since
        return OneRepositoryScan(self._root, self._histories, self._slices)

    async def head(self, key: str, bank_id: int | None = None) -> Listing | None:
        """See `ItemBank.head`. An item here is known by its name alone."""
        del bank_id

        def work(piece: Slice) -> Listing | None:
            self._histories.refresh(piece)
            commit, listing = self._root.find(key)
            self._histories.note(commit, piece)
            return listing

        return await self._slices.run(work)

    async def read(self, key: str, revision: str) -> Document:
        """See `ItemBank.read`."""
        folder = _hash(revision)
        listing = await self.head(key)
        found: Found | Sought = Sought.ABSENT
        if folder is not None and listing is not None:
            found = await self._search(key, partial(_find_newest, key=key, folder=folder))
        if not isinstance(found, Found):
            raise ItemNotFoundError(key, where="the item bank")
        return await self._slices.run(partial(self._read_one, key, found))

    async def log(self, key: str, after: str | None = None) -> Log:
        """See `ItemBank.log`."""
        listing = await self.head(key)
        folder = None if listing is None or listing.problem else _hash(listing.revision)
        found: Found | Sought = Sought.ABSENT
        if folder is not None:
            ask = partial(_find, key=key, folder=folder, after=_hash(after))
            found = await self._search(key, ask)
        if not isinstance(found, Found):
            raise ItemNotFoundError(key, where="the item bank")
        return await self._slices.run(partial(self._describe, found, after))

    async def read_changes(
        self, wanted: Sequence[Wanted], derive: Callable[[History], T]
    ) -> AsyncGenerator[Sequence[T | Rejected], None]:
        """See `ItemBank.read_changes`."""
        done = 0
        while done < len(wanted):
            # Before the pace: walking the history reads no document.
            await self._search(wanted[done].key, _ask(wanted[done]))
            ahead = wanted[done:]
            if self._pace.at_once is not None:
                ahead = ahead[: self._pace.at_once]
                await self._pace.take(len(ahead))
            results, read = await self._slices.run(partial(self._read_slice, ahead, derive))
            done += read
            if results:
                yield results

    def parse_event(self, headers: Mapping[str, str], body: bytes) -> Unrelated:
        """See `ItemBank.parse_event`."""
        del headers, body
        return Unrelated("the item bank is local, and notifies of nothing")

    async def aclose(self) -> None:
        """See `ItemBank.aclose`."""
        self._slices.close()
        self._histories.close()
        self._root.close()

    async def _search(self, key: str, ask: Callable[[Chain], Found | None]) -> Found | Sought:
        def work(piece: Slice) -> Found | Sought:
            self._histories.refresh(piece)
            return self._histories.search(key, ask, piece)

        found: Found | Sought = Sought.PENDING
        while found is Sought.PENDING:
            found = await self._slices.run(work)
        return found

    def _read_one(self, key: str, found: Found, piece: Slice) -> Document:
        repository = self._place.open()
        try:
            return next(_documents(repository, found, piece))
        except UNREADABLE as error:
            self._place.head(repository)
            raise ItemNotFoundError(key, where=f"the item bank ({error})") from error

    def _describe(self, found: Found, after: str | None, piece: Slice) -> Log:
        repository = self._place.open()
        commits = []
        with self._place.reading():
            for touch in found.touches:
                piece.check()
                commit = repository[pygit2.Oid(raw=touch.commit)].peel(pygit2.Commit)
                commits.append(describe(commit))
        if commits[-1].hash == after:
            commits.clear()
        return Log(commits=tuple(commits), is_whole=found.is_whole)

    def _read_slice(
        self, wanted: Sequence[Wanted], derive: Callable[[History], T], piece: Slice
    ) -> tuple[list[T | Rejected], int]:
        self._histories.refresh(piece)
        repository = self._place.open()
        branch = branch_name(repository)
        results: list[T | Rejected] = []
        read = 0
        for one in wanted:
            if read and piece.over():
                break
            try:
                found = self._histories.search(one.key, _ask(one), piece)
                if found is Sought.PENDING:
                    break
                if isinstance(found, Found):
                    results.append(derive(_history(repository, branch, one, found, piece)))
            except InterruptedSliceError:
                break
            except UNREADABLE as error:
                results.append(self._fault(repository, one, error))
            read += 1
        return results, read

    def _fault(self, repository: pygit2.Repository, one: Wanted, error: Exception) -> Rejected:
        """Say what is wrong with one item.

        Raises:
            BankUnavailableError: It is the whole bank that has gone.
        """
        self._place.identity()
        self._place.head(repository)
        problem = Problem(
            ProblemKind.UNREADABLE_REPOSITORY,
            f"{one.path} cannot be read ({error}): repair the repository (git fsck tells more)",
        )
        return Rejected(key=one.key, path=one.path, revision=one.revision, problem=problem)


class OneRepositoryScan:
    """A listing of the repository under way; see `Scan`."""

    def __init__(self, root: RootListing, histories: Histories, slices: Slices) -> None:
        self._root = root
        self._histories = histories
        self._slices = slices
        self.total: int | None = None
        self.complete = False
        self.cursor: str | None = None

    async def __aiter__(self) -> AsyncGenerator[Sequence[Listing], None]:
        """Yield the entries in slices, by ascending number; see `Scan`."""
        pinned = await self._slices.run(self._pin)
        self.total = len(pinned.entries)
        for begin in range(0, len(pinned.entries), LISTINGS_AT_ONCE):
            some = pinned.entries[begin : begin + LISTINGS_AT_ONCE]
            yield [self._root.listing(key, folder) for key, folder in some]
        await self._slices.run(lambda _: self._root.confirm(pinned))
        self.complete = True

    def _pin(self, piece: Slice) -> Pinned:
        self._histories.refresh(piece)
        pinned = self._root.pin(piece)
        self._histories.note(pinned.commit, piece)
        return pinned


def _hash(text: str | None) -> bytes | None:
    """Return the bytes of a hash; None for what is none."""
    if text is None or _HASH.fullmatch(text) is None:
        return None
    return bytes.fromhex(text)


def _find(chain: Chain, *, key: str, folder: bytes, after: bytes | None) -> Found | None:
    return chain.find(key, folder, after)


def _find_newest(chain: Chain, *, key: str, folder: bytes) -> Found | None:
    return chain.find_newest(key, folder)


def _ask(wanted: Wanted) -> Callable[[Chain], Found | None]:
    """Return the question to be put to the chains for what is to be read of an item."""
    folder = _hash(wanted.revision)
    if folder is None:
        return lambda _: None
    return partial(_find, key=wanted.key, folder=folder, after=_hash(wanted.after))


def _history(
    repository: pygit2.Repository, branch: str, wanted: Wanted, found: Found, piece: Slice
) -> History:
    return History(
        key=wanted.key,
        path=wanted.path,
        branch=branch,
        revision=wanted.revision,
        is_whole=found.is_whole,
        documents=_documents(repository, found, piece),
    )


def _documents(repository: pygit2.Repository, found: Found, piece: Slice) -> Iterator[Document]:
    states = (
        (
            repository[pygit2.Oid(raw=touch.commit)].peel(pygit2.Commit),
            None
            if touch.folder is None
            else repository[pygit2.Oid(raw=touch.folder)].peel(pygit2.Tree),
        )
        for touch in found.touches
    )
    return read_documents(repository, states, piece.check)

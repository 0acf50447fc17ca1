"""The item bank that is a local folder of git repositories, one an item."""

from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

import pygit2

from ingest.bank.base import Listing, Log, Unrelated, Wanted
from ingest.bank.directory import Directory, Entries
from ingest.bank.pace import Pace
from ingest.bank.repository import (
    UNREADABLE,
    branch_name,
    describe,
    first_parents,
    head_revision,
    open_repository,
    read_documents,
)
from ingest.errors import BankUnavailableError, ItemNotFoundError
from ingest.model.item import Document, History, Rejected
from ingest.slices import InterruptedSliceError, Slice, Slices

T = TypeVar("T")


class FolderBank:
    """Repositories at ``<root>/<item id>`` or ``<root>/<item id>.git``, bare or not.

    Args:
        root: The folder.
        pace: Caps the reading of documents; listing is free.
        ignore_projects: Names of entries to pass over, whatever their case.
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
        self._directory = Directory(
            root, ignore_projects=ignore_projects, ignore_items=ignore_items
        )
        self._pace = pace or Pace(None)
        self._slices = Slices()

    async def check(self) -> None:
        """See `ItemBank.check`."""
        await self._slices.run(lambda _: self._directory.identity())

    def scan(self, since: str | None = None) -> "FolderScan":
        """See `ItemBank.scan`. A folder is always listed whole: *since* changes nothing."""
        del since
        return FolderScan(self._directory, self._slices)

    async def head(self, key: str, bank_id: int | None = None) -> Listing | None:
        """See `ItemBank.head`. An item here is known by its name alone."""
        del bank_id

        def work(_: Slice) -> Listing | None:
            entry = self._directory.find(key)
            return None if entry is None else self._directory.listing(entry)

        return await self._slices.run(work)

    async def read(self, key: str, revision: str) -> Document:
        """See `ItemBank.read`."""

        def work(piece: Slice) -> Document:
            repository = open_repository(self._directory.locate(key))
            commit = repository[revision].peel(pygit2.Commit)
            return next(read_documents(repository, [(commit, commit.tree)], piece.check))

        return await self._slices.run(partial(self._guarded, key, work))

    async def log(self, key: str, after: str | None = None) -> Log:
        """See `ItemBank.log`."""

        def work(piece: Slice) -> Log:
            repository = open_repository(self._directory.locate(key))
            revision = head_revision(repository)
            if revision is None:
                return Log(commits=(), is_whole=True)
            if revision == after:
                return Log(commits=(), is_whole=False)
            commits, is_whole = first_parents(repository, revision, after, piece.check)
            return Log(commits=tuple(map(describe, commits)), is_whole=is_whole)

        return await self._slices.run(partial(self._guarded, key, work))

    async def read_changes(
        self, wanted: Sequence[Wanted], derive: Callable[[History], T]
    ) -> AsyncGenerator[Sequence[T | Rejected], None]:
        """See `ItemBank.read_changes`."""
        done = 0
        while done < len(wanted):
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

    def _guarded(self, key: str, work: Callable[[Slice], T], piece: Slice) -> T:
        try:
            return work(piece)
        except UNREADABLE as error:
            self._directory.identity()
            raise ItemNotFoundError(key, where=f"the item bank ({error})") from error

    def _read_slice(
        self, wanted: Sequence[Wanted], derive: Callable[[History], T], piece: Slice
    ) -> tuple[list[T | Rejected], int]:
        results: list[T | Rejected] = []
        read = 0
        for one in wanted:
            if read and piece.over():
                break
            try:
                results.append(_read_change(one, derive, piece))
            except InterruptedSliceError:
                break
            except UNREADABLE as error:
                problem = self._directory.fault(Path(one.path), error)
                if problem is not None:
                    results.append(
                        Rejected(key=one.key, path=one.path, revision=one.revision, problem=problem)
                    )
            read += 1
        return results, read


class FolderScan:
    """A listing of the folder under way; see `Scan`."""

    def __init__(self, directory: Directory, slices: Slices) -> None:
        self._directory = directory
        self._slices = slices
        self.total: int | None = None
        self.complete = False
        self.cursor: str | None = None

    async def __aiter__(self) -> AsyncGenerator[Sequence[Listing], None]:
        """Yield the entries in slices, by ascending number; see `Scan`."""
        before = await self._slices.run(lambda _: self._directory.identity())
        entries = await self._slices.run(lambda _: self._directory.entries())
        self.total = len(entries)
        begin = 0
        while begin < len(entries):
            listings, begin = await self._slices.run(partial(self._list_slice, entries, begin))
            if listings:
                yield listings
        if await self._slices.run(lambda _: self._directory.identity()) != before:
            raise BankUnavailableError(
                f"The item bank {self._directory.root} was replaced while it was listed; "
                "the listing is not complete"
            )
        self.complete = True

    def _list_slice(self, entries: Entries, begin: int, piece: Slice) -> tuple[list[Listing], int]:
        listings: list[Listing] = []
        index = begin
        while index < len(entries) and not (index > begin and piece.over()):
            listing = self._directory.listing(entries[index])
            if listing is not None:
                listings.append(listing)
            index += 1
        return listings, index


def _read_change(wanted: Wanted, derive: Callable[[History], T], piece: Slice) -> T:
    repository = open_repository(Path(wanted.path))
    commits, is_whole = first_parents(repository, wanted.revision, wanted.after, piece.check)
    return derive(
        History(
            key=wanted.key,
            path=wanted.path,
            branch=branch_name(repository),
            revision=wanted.revision,
            is_whole=is_whole,
            documents=read_documents(
                repository, ((commit, commit.tree) for commit in commits), piece.check
            ),
        )
    )

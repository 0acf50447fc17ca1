"""The item bank that is a group of GitLab's, with a project for each item."""

import asyncio
import re
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Final, TypeVar

from attrs import evolve

from ingest.aio import finish
from ingest.bank.base import Listing, Log, Push, Unrelated, Wanted
from ingest.bank.gitlab.client import Client
from ingest.bank.gitlab.deriving import Deriver
from ingest.bank.gitlab.events import push_of
from ingest.bank.gitlab.failures import AskError
from ingest.bank.gitlab.group import ItemGroup, is_refused
from ingest.bank.gitlab.listing import GitLabScan, How
from ingest.bank.gitlab.projects import Projects, Scope, not_answered, renamed, unreadable
from ingest.bank.gitlab.reading import Past, ProjectReader
from ingest.bank.gitlab.transport import Limits, Transport
from ingest.bank.pace import Pace
from ingest.errors import BankUnavailableError, ItemNotFoundError
from ingest.model.item import Document, History, Problem, ProblemKind, Rejected
from ingest.model.secret import Secret

T = TypeVar("T")

_HASH: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")

#: For so long a check that went well stands for those after it.
CHECK_EVERY_S: Final = 5.0

#: What a group is listed and read like, where nothing is said.
_HOW: Final = How()
_LIMITS: Final = Limits()


class GitLabBank:
    """A group. An item's revision is the commit at its project's default branch.

    Projects are addressed by their numbers, which no rename or transfer changes.

    Args:
        origin: Where GitLab is: scheme, host and port.
        scope: The group, and which of its projects are meant.
        token: What GitLab knows the service by; None for what everybody may see.
        limits: How hard GitLab is pressed, and how patiently it is asked.
        how: How the group is listed.
        pace: Caps the items that are read; listing is free.
        ignore_projects: Names of projects to pass over, whatever their case.
        ignore_items: Item ids to pass over.
        hidden: Other secrets that no message must show.
    """

    def __init__(
        self,
        origin: str,
        scope: Scope,
        token: Secret | None,
        *,
        limits: Limits = _LIMITS,
        how: How = _HOW,
        pace: Pace | None = None,
        ignore_projects: Iterable[str] = (),
        ignore_items: Iterable[int] = (),
        hidden: Iterable[Secret] = (),
    ) -> None:
        self.transport = Transport(origin, token, limits, hidden=hidden)
        self.client = Client(self.transport)
        self.group = ItemGroup(self.client, scope.group)
        self._projects = Projects(
            self.client,
            self.group,
            scope,
            ignore_projects=ignore_projects,
            ignore_items=ignore_items,
        )
        self._how = how
        self._pace = pace or Pace(None)
        self._at_once = limits.at_once
        self._reader = ProjectReader(self.client)
        self._checked_until = 0.0
        self._deriver = Deriver(self._reader, threads=limits.at_once)

    async def check(self) -> None:
        """See `ItemBank.check`. However often it is asked, GitLab is asked only now and then."""
        loop = asyncio.get_running_loop()
        if loop.time() >= self._checked_until:
            await self.group.look()
            self._checked_until = loop.time() + CHECK_EVERY_S

    def scan(self, since: str | None = None) -> GitLabScan:
        """See `ItemBank.scan`."""
        return GitLabScan(self.client, self.group, self._projects, self._how, since)

    async def head(self, key: str, bank_id: int | None = None) -> Listing | None:
        """See `ItemBank.head`.

        Absent is what neither has the number nor the name, in a group that can be listed.
        """
        if not self._projects.is_key(key):
            await self.group.look()
            return None
        try:
            project = None if bank_id is None else await self._projects.numbered(bank_id)
        except AskError as error:
            await self.group.confirm(error)
            path = f"{self.group.path}/{key}"
            problem = not_answered(error)
            return Listing(key=key, path=path, revision=None, problem=problem, bank_id=bank_id)
        try:
            if project is not None:
                path = project.path_with_namespace
                if project.path == key and self._projects.scope.holds(path):
                    is_meant = self._projects.is_item(key, path, archived=project.archived)
                    return await self._projects.look(project) if is_meant else None
            again = await self._projects.named(key)
        except AskError as error:
            raise self.group.unavailable(error, part=f"whether it has item {key}") from None
        if again is not None:
            return await self._projects.look(again)
        if project is None:
            return None
        return Listing(
            key=key,
            path=project.path_with_namespace,
            revision=None,
            problem=renamed(key, project.path_with_namespace),
            bank_id=bank_id,
        )

    async def read(self, key: str, revision: str) -> Document:
        """See `ItemBank.read`."""
        listing = await self._known(key)
        if _HASH.fullmatch(revision) is None:
            raise ItemNotFoundError(key, where=f"the item bank at revision {revision[:80]}")
        try:
            return await self._reader.document(listing.bank_id or 0, revision)
        except AskError as error:
            raise await self._reason(key, error) from None

    async def log(self, key: str, after: str | None = None) -> Log:
        """See `ItemBank.log`."""
        listing = await self._known(key)
        if listing.revision is None:
            return Log(commits=(), is_whole=True)
        if listing.revision == after:
            return Log(commits=(), is_whole=False)
        try:
            commits, is_whole = await self._reader.commits(
                listing.bank_id or 0, listing.revision, after
            )
        except AskError as error:
            raise await self._reason(key, error) from None
        return Log(commits=tuple(commits), is_whole=is_whole)

    async def read_changes(
        self, wanted: Sequence[Wanted], derive: Callable[[History], T]
    ) -> AsyncGenerator[Sequence[T | Rejected], None]:
        """See `ItemBank.read_changes`. As many items are read at once as requests may be sent."""
        reading: deque[asyncio.Task[T | Rejected | None]] = deque()
        most = self._pace.at_once or self._at_once
        try:
            for one in wanted:
                await self._pace.take(1)
                reading.append(asyncio.create_task(self._read(one, derive)))
                while len(reading) >= self._at_once or (reading and reading[0].done()):
                    results = await _first_of(reading, most)
                    if results:
                        yield results
            while reading:
                results = await _first_of(reading, most)
                if results:
                    yield results
        finally:
            if reading:
                await finish(_end(reading))

    def parse_event(self, headers: Mapping[str, str], body: bytes) -> Push | Unrelated:
        """See `ItemBank.parse_event`."""
        return push_of(headers, body, self._projects)

    async def aclose(self) -> None:
        """See `ItemBank.aclose`."""
        self._deriver.close()
        await self.transport.aclose()

    async def _known(self, key: str) -> Listing:
        listing = await self.head(key)
        if listing is None:
            raise ItemNotFoundError(key, where="the item bank")
        return listing

    async def _read(self, one: Wanted, derive: Callable[[History], T]) -> T | Rejected | None:
        """Return what became of an item; None where it has gone meanwhile."""
        try:
            wanted = one
            if one.bank_id is None or one.branch is None:
                listing = await self.head(one.key, one.bank_id)
                if listing is None:
                    return None
                wanted = evolve(one, bank_id=listing.bank_id, branch=listing.branch)
            past = await self._past(wanted)
            if past.is_whole and wanted.after is not None:
                # A forced push, or the item was pushed to and brought in step since it was listed:
                # what was listed then must not take the place of what is stored now.
                listing = await self.head(one.key, wanted.bank_id)
                if listing is None or listing.revision in {None, wanted.after}:
                    return None
                if listing.revision != wanted.revision:
                    wanted = evolve(wanted, revision=listing.revision)
                    past = await self._past(wanted)
            return await self._deriver.derive(wanted, past, derive)
        except AskError as error:
            problem = await self._fault(one, error)
        if problem is None:
            return None
        # Without a revision, so that the next run asks again.
        return Rejected(key=one.key, path=one.path, revision=None, problem=problem)

    async def _past(self, wanted: Wanted) -> Past:
        return await self._reader.past(wanted.bank_id or 0, wanted.revision, wanted.after)

    async def _fault(self, one: Wanted, error: AskError) -> Problem | None:
        """Say why an item cannot be read; None where it has gone meanwhile.

        Raises:
            BankUnavailableError: It is the whole bank that cannot be read.
        """
        await self.group.confirm(error)
        if is_refused(error, HTTPStatus.FORBIDDEN):
            return unreadable(one.path)
        if is_refused(error, HTTPStatus.NOT_FOUND) and one.bank_id is not None:
            try:
                project = await self._projects.numbered(one.bank_id)
            except AskError as other:
                await self.group.confirm(other)
                return not_answered(other)
            if project is None:
                await self._projects.see_any()
                return None
            return Problem(
                ProblemKind.UNREADABLE_REPOSITORY,
                f"{one.path} has no commit {one.revision} any more ({error}): the next "
                "synchronization looks where it stands",
            )
        return not_answered(error)

    async def _reason(self, key: str, error: AskError) -> BankUnavailableError | ItemNotFoundError:
        await self.group.confirm(error)
        if is_refused(error, HTTPStatus.NOT_FOUND):
            return ItemNotFoundError(key, where=f"the item bank ({error})")
        return self.group.unavailable(error, part=f"as to item {key}")


async def _first_of(
    reading: "deque[asyncio.Task[T | Rejected | None]]", most: int
) -> list[T | Rejected]:
    """Wait for the first; return its result, and those of the next ones that have ended, too."""
    await asyncio.wait({reading[0]})
    results: list[T | Rejected] = []
    while reading and reading[0].done() and len(results) < most:
        # Only now is it taken out: one that has failed is to be ended like those behind it.
        result = reading[0].result()
        del reading[0]
        if result is not None:
            results.append(result)
    return results


async def _end(reading: "deque[asyncio.Task[T | Rejected | None]]") -> None:
    for task in reading:
        task.cancel()
    await asyncio.wait(set(reading))
    for task in reading:
        if not task.cancelled():
            task.exception()  # taken note of: the first one is raised already

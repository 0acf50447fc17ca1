"""A listing of the group: by GraphQL, or by REST where that is not to be had."""

from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from datetime import UTC, datetime

from attrs import evolve, frozen

from ingest.aio import together
from ingest.bank.base import Listing
from ingest.bank.gitlab.client import Client
from ingest.bank.gitlab.cursor import Cursor, read_cursor
from ingest.bank.gitlab.facts import Group, Project
from ingest.bank.gitlab.failures import NoGraphqlError
from ingest.bank.gitlab.graphql_listing import GraphqlList, HeadPage
from ingest.bank.gitlab.group import ItemGroup
from ingest.bank.gitlab.pressure import server_time
from ingest.bank.gitlab.projects import PER_PAGE, Projects
from ingest.bank.gitlab.rest_listing import RestList
from ingest.errors import BankUnavailableError
from ingest.model.item import Problem, ProblemKind


@frozen(kw_only=True)
class How:
    """How a group is listed."""

    #: Whether by GraphQL; None for where it is to be had.
    graphql: bool | None = None
    #: Whether by what the token's user is a member of, where REST is asked.
    by_membership: bool = False
    #: Every so-manieth listing by REST asks for every revision.
    full_check_every: int = 7
    #: How many projects a page of the list has, 100 at most.
    per_page: int = int(PER_PAGE)


class GitLabScan:
    """A listing under way; see `Scan`. In GitLab's own order.

    Args:
        client: Where to ask.
        group: What is listed.
        projects: Tells which of its projects are items.
        how: How to list it.
        since: The cursor of an earlier complete listing.
    """

    def __init__(
        self, client: Client, group: ItemGroup, projects: Projects, how: How, since: str | None
    ) -> None:
        self.total: int | None = None
        self.complete = False
        self.cursor: str | None = None
        self._client = client
        self._group = group
        self._projects = projects
        self._how = how
        self._since = since
        #: The number of the project that each key was listed for.
        self._seen: dict[str, int] = {}
        self._passed_over = 0
        #: Whether a page has shown a project, and one after it none.
        self._has_shown = self._shows_none = False

    async def __aiter__(self) -> AsyncGenerator[Sequence[Listing], None]:
        """Yield the entries page by page; see `Scan`."""
        group = await self._group.look()
        cursor = Cursor(
            origin=self._client.transport.origin,
            group=group.told.id,
            # A clock that is ahead, GitLab's or a proxy's, must not pass over a change.
            begun=min(server_time(group.headers), datetime.now(UTC)),
        )
        # GraphQL wants the path in the very case that the group has.
        scope = evolve(self._projects.scope, group=group.told.full_path)
        graphql = GraphqlList(self._client, self._group, scope, first=self._how.per_page)
        first = await self._first(graphql)
        if first is not None:
            pages = self._by_graphql(graphql, first)
        else:
            since = self._trusted(group.told)
            if since is not None:
                cursor = evolve(cursor, partial=since.partial + 1)
            pages = self._by_rest(group.told, since)
        async with aclosing(pages):
            async for listings in pages:
                if listings:
                    yield listings
        # What a token has listed that lost its rights meanwhile proves no absence.
        if self._shows_none:
            await self._projects.see_any()
        if (await self._group.look()).told.id != group.told.id:
            raise BankUnavailableError(
                f"The item bank {self._group} was replaced by another group while it was listed; "
                "the listing is not complete"
            )
        self.total = len(self._seen)
        self.cursor = cursor.text()
        self.complete = True

    def _trusted(self, group: Group) -> Cursor | None:
        """Return the cursor to go by; None where every revision is to be asked for."""
        since = read_cursor(self._since, origin=self._client.transport.origin, group=group.id)
        is_due = since is not None and since.partial + 1 >= self._how.full_check_every
        return None if is_due else since

    async def _first(self, graphql: GraphqlList) -> HeadPage | None:
        """Return the first page by GraphQL; None where it takes REST."""
        if self._how.graphql is False:
            return None
        try:
            return await graphql.first()
        except NoGraphqlError as error:
            if self._how.graphql:
                raise self._group.unavailable(error) from None
            return None

    async def _by_graphql(
        self, graphql: GraphqlList, first: HeadPage
    ) -> AsyncGenerator[Sequence[Listing], None]:
        async with aclosing(graphql.pages(first)) as pages:
            async for page in pages:
                heads = [
                    one
                    for one in page.heads
                    if self._projects.is_item(one.path, one.full_path, archived=one.archived)
                ]
                self._note(page.heads)
                self._count(page.count, passed_over=len(page.heads) - len(heads))
                yield self._unique(map(self._projects.listing, heads))

    async def _by_rest(
        self, group: Group, since: Cursor | None
    ) -> AsyncGenerator[Sequence[Listing], None]:
        rest = RestList(
            self._client,
            self._group,
            self._projects.scope,
            by_membership=self._how.by_membership,
            per_page=self._how.per_page,
        )
        async with aclosing(rest.pages(group.id)) as pages:
            async for page in pages:
                items = [
                    one
                    for one in page.projects
                    if self._projects.is_item(
                        one.path, one.path_with_namespace, archived=one.archived
                    )
                ]
                self._note(page.projects)
                if page.count is not None:
                    self._count(page.count, passed_over=len(page.projects) - len(items))
                yield self._unique(await self._look(items, since))

    async def _look(self, items: Sequence[Project], since: Cursor | None) -> Sequence[Listing]:
        """Ask where those stand of which nothing proves that they stand where they stood."""

        async def look(one: Project) -> Listing:
            if since is not None and since.proves_unchanged(one.last_activity_at):
                return _unchanged(one)
            return await self._projects.look(one)

        return await together(map(look, items))

    def _note(self, page: Sequence[object]) -> None:
        self._shows_none = self._has_shown and not page
        self._has_shown = self._has_shown or bool(page)

    def _count(self, listed: int, *, passed_over: int) -> None:
        self._passed_over += passed_over
        self.total = max(0, listed - self._passed_over)

    def _unique(self, listings: Iterable[Listing]) -> Sequence[Listing]:
        """Return the entries of a page; the second project of an item is a problem.

        One that an earlier page has shown already is left out: lists may move while they are read.
        """
        unique = []
        for one in listings:
            number, first = one.bank_id or 0, self._seen.get(one.key)
            if first is None:
                self._seen[one.key] = number
                unique.append(one)
            elif first != number:
                unique.append(_duplicate(one, first))
        return unique


def _unchanged(project: Project) -> Listing:
    return Listing(
        key=project.path,
        path=project.path_with_namespace,
        revision=None,
        bank_id=project.id,
        branch=project.default_branch,
        is_unchanged=True,
    )


def _duplicate(listing: Listing, first: int) -> Listing:
    problem = Problem(
        ProblemKind.DUPLICATE_ID,
        f"{listing.path} (project {listing.bank_id}) and project {first} are both of item "
        f"{listing.key}: remove or rename one of them",
    )
    return evolve(listing, revision=None, problem=problem, is_unchanged=False)

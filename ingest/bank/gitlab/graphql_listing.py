"""Listing by GraphQL: a hundred projects with their revisions in each request."""

from collections.abc import AsyncGenerator, Sequence
from http import HTTPStatus
from typing import Any, Final

from attrs import frozen

from ingest.bank.gitlab.api import PROJECTS_QUERY
from ingest.bank.gitlab.client import Client
from ingest.bank.gitlab.facts import Head, head
from ingest.bank.gitlab.failures import (
    AskError,
    GaveUpError,
    NoGraphqlError,
    RefusedError,
    TryAgainError,
)
from ingest.bank.gitlab.group import ItemGroup, is_refused
from ingest.bank.gitlab.projects import Scope

#: How many projects a page has at least: one that takes GitLab too long is asked for by halves.
FIRST_AT_LEAST: Final = 10

#: How often a page is asked for before it is asked for by halves.
_ATTEMPTS_BEFORE_HALVING: Final = 2

#: GraphQL is not served at all here.
_NOT_SERVED: Final = (
    HTTPStatus.NOT_FOUND,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.METHOD_NOT_ALLOWED,
    HTTPStatus.GONE,
)


@frozen(kw_only=True)
class HeadPage:
    """A page of the list."""

    #: How many projects the whole list has.
    count: int
    heads: Sequence[Head]
    #: What the next page comes after; None behind the last.
    after: str | None


class GraphqlList:
    """The group's projects by GraphQL.

    Args:
        client: Where to ask.
        group: Whose projects.
        scope: Which of them are meant.
        first: How many a page has at first, 100 at most.
    """

    def __init__(self, client: Client, group: ItemGroup, scope: Scope, *, first: int) -> None:
        self._client = client
        self._group = group
        self._scope = scope
        self._first = first

    async def first(self) -> HeadPage:
        """Return the first page.

        Raises:
            NoGraphqlError: It is refused in a way that says: not by GraphQL.
            BankUnavailableError: It cannot be had.
        """
        return await self._page(None, 1)

    async def pages(self, first: HeadPage) -> AsyncGenerator[HeadPage, None]:
        """Yield the first page and all that come after it.

        Raises:
            BankUnavailableError: A page cannot be had; the message names it.
        """
        page, number = first, 1
        been = set[str]()
        yield page
        while page.after is not None:
            number += 1
            if page.after in been:
                raise self._group.unavailable(
                    AskError(f"{_name(number)} comes again and again: no end")
                )
            been.add(page.after)
            page = await self._page(page.after, number)
            yield page

    async def _page(self, after: str | None, number: int) -> HeadPage:
        name = _name(number)
        while True:
            is_last_try = self._first <= FIRST_AT_LEAST
            try:
                answer = await self._client.graphql(
                    name,
                    PROJECTS_QUERY,
                    {
                        "group": self._scope.group,
                        "subgroups": self._scope.include_subgroups,
                        "first": self._first,
                        "after": after,
                    },
                    tell=lambda data: _tell(data, after),
                    attempts=None if is_last_try else _ATTEMPTS_BEFORE_HALVING,
                )
            except (GaveUpError, RefusedError, NoGraphqlError) as error:
                if number == 1 and _is_not_served(error):
                    raise NoGraphqlError(str(error)) from None
                raise self._group.unavailable(error) from None
            except AskError as error:
                if is_last_try:
                    raise self._group.unavailable(error) from None
                self._first = max(FIRST_AT_LEAST, self._first // 2)
            else:
                return answer.told


def _name(number: int) -> str:
    return f"page {number} of the group's projects by GraphQL"


def _is_not_served(error: AskError) -> bool:
    return isinstance(error, NoGraphqlError) or (
        is_refused(error, *_NOT_SERVED) and not isinstance(error, _NoGroupError)
    )


class _NoGroupError(RefusedError):
    """GraphQL answers, and has null in the group's place."""


def _tell(data: dict[str, Any], after: str | None) -> HeadPage:
    group = data.get("group")
    if group is None:
        raise _NoGroupError("404, no such group", status=HTTPStatus.NOT_FOUND)
    try:
        projects = group["projects"]
        count, nodes, info = projects["count"], projects["nodes"], projects["pageInfo"]
        has_next, end = info["hasNextPage"], info["endCursor"]
    except (TypeError, KeyError) as error:
        raise TryAgainError(f"an answer that is no list of projects: {error!r}") from None
    if type(count) is not int or not isinstance(nodes, list) or type(has_next) is not bool:
        raise TryAgainError("an answer that is no list of projects")
    if has_next and (not isinstance(end, str) or end == after or not nodes):
        raise TryAgainError("a list of projects that does not get on")
    return HeadPage(
        count=count, heads=[head(node) for node in nodes], after=end if has_next else None
    )

"""Listing by REST: projects by the hundred, which do not tell where their branches stand."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from http import HTTPStatus
from typing import Final

from attrs import frozen

from ingest.bank.gitlab.api import GROUP_PROJECTS, MEMBER_PROJECTS
from ingest.bank.gitlab.client import Client
from ingest.bank.gitlab.facts import Project, facts
from ingest.bank.gitlab.failures import AskError
from ingest.bank.gitlab.group import ItemGroup, is_refused
from ingest.bank.gitlab.projects import Scope

_ORDER: Final = {"order_by": "id", "sort": "asc"}


@frozen(kw_only=True)
class ProjectPage:
    """A page of the list."""

    projects: Sequence[Project]
    #: How many projects the whole list has; None where GitLab does not tell.
    count: int | None


class RestList:
    """The group's projects by REST.

    Args:
        client: Where to ask.
        group: Whose projects.
        scope: Which of them are meant.
        by_membership: Whether to list the projects that the token's user is a member of, which
            pages by keyset and so has no end at 50,000; those of other groups are passed over.
        per_page: How many projects a page has, 100 at most.
    """

    def __init__(
        self, client: Client, group: ItemGroup, scope: Scope, *, by_membership: bool, per_page: int
    ) -> None:
        self._client = client
        self._group = group
        self._scope = scope
        self._by_membership = by_membership
        self._order = {**_ORDER, "per_page": str(per_page)}

    async def pages(self, group_id: int) -> AsyncGenerator[ProjectPage, None]:
        """Yield the pages, by ascending number.

        Raises:
            BankUnavailableError: A page cannot be had; the message names it.
        """
        call, ids, parameters = MEMBER_PROJECTS, dict[str, str | int](), self._member_parameters()
        if not self._by_membership:
            call, ids, parameters = GROUP_PROJECTS, {"id": group_id}, self._group_parameters()
        pages = self._client.pages(call, ids, parameters, tell=lambda d: facts(Project, d))
        number = 0
        try:
            async with aclosing(pages):
                async for page in pages:
                    number += 1
                    # All that one is a member of says nothing of how many are this group's.
                    count = None if self._by_membership else _count(page.headers)
                    yield ProjectPage(projects=page.told, count=count)
        except AskError as error:
            part = f"page {number + 1} of its projects"
            raise self._group.unavailable(error, part=part, way_out=self._way_out(error)) from None

    def _way_out(self, error: AskError) -> str | None:
        # What GitLab says where a group has more projects than it pages through by number.
        if not self._by_membership and is_refused(error, HTTPStatus.METHOD_NOT_ALLOWED):
            return (
                'set gitlab.listing = "membership", which lists groups of any size, and make the '
                "token's user a member of the group"
            )
        return None

    def _member_parameters(self) -> Mapping[str, str]:
        return {"membership": "true", "pagination": "keyset", **self._order, **self._archived()}

    def _group_parameters(self) -> Mapping[str, str]:
        include = "true" if self._scope.include_subgroups else "false"
        return {
            "include_subgroups": include,
            "with_shared": "false",
            **self._order,
            **self._archived(),
        }

    def _archived(self) -> Mapping[str, str]:
        return {} if self._scope.include_archived else {"archived": "false"}


def _count(headers: Mapping[str, str]) -> int | None:
    text = headers.get("X-Total", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < len("9" * 10) else None

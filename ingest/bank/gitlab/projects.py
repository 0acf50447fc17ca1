"""Which projects are items, and where each stands."""

from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from http import HTTPStatus
from typing import Final

from attrs import frozen

from ingest.bank.base import Listing
from ingest.bank.gitlab.api import BRANCH, GROUP_PROJECTS, PROJECT
from ingest.bank.gitlab.client import Answer, Client
from ingest.bank.gitlab.facts import Head, Project, branch_head, fact, facts
from ingest.bank.gitlab.failures import AskError
from ingest.bank.gitlab.group import ItemGroup, is_refused
from ingest.bank.names import Ignored, is_key, key_problem
from ingest.model.item import Problem, ProblemKind

#: What a page of REST's has at most.
PER_PAGE: Final = "100"


@frozen(kw_only=True)
class Scope:
    """Which of a group's projects are meant."""

    group: str
    include_subgroups: bool = True
    include_archived: bool = True

    def holds(self, full_path: str) -> bool:
        """Return whether a project of this path is in the group, or in one of its subgroups."""
        namespace, _, _ = full_path.casefold().rpartition("/")
        group = self.group.casefold()
        return namespace == group or (self.include_subgroups and namespace.startswith(f"{group}/"))


class Projects:
    """The group's projects, one by one.

    Args:
        client: Where to ask.
        group: Whose they are.
        scope: Which of them are meant.
        ignore_projects: Names of projects to pass over, whatever their case.
        ignore_items: Item ids to pass over.
    """

    def __init__(
        self,
        client: Client,
        group: ItemGroup,
        scope: Scope,
        *,
        ignore_projects: Iterable[str] = (),
        ignore_items: Iterable[int] = (),
    ) -> None:
        self.scope = scope
        self._client = client
        self._group = group
        self._ignored = Ignored(projects=ignore_projects, items=ignore_items)

    def is_item(self, path: str, full_path: str, *, archived: bool) -> bool:
        """Return whether a project stands for an item."""
        return (
            self.is_key(path)
            and self.scope.holds(full_path)
            and (self.scope.include_archived or not archived)
        )

    def is_key(self, key: str) -> bool:
        """Return whether a key may be an item's, and none that is passed over."""
        return is_key(key) and self._ignored.passes(key, key)

    def listing(self, head: Head) -> Listing:
        """Return the entry of a project that GraphQL has told of, with where it stands."""
        problem = key_problem(head.path, head.full_path)
        if problem is None and not head.is_readable:
            problem = unreadable(head.full_path)
        elif problem is None and head.sha is None and not head.is_empty:
            problem = _no_branch(head.full_path)
        return Listing(
            key=head.path,
            path=head.full_path,
            revision=None if problem else head.sha,
            problem=problem,
            bank_id=head.id,
            branch=head.branch,
        )

    async def look(self, project: Project) -> Listing:
        """Ask where a project stands.

        Raises:
            BankUnavailableError: The whole bank cannot be had.
        """
        revision, problem = None, key_problem(project.path, project.path_with_namespace)
        # GitLab tells a default branch of an empty repository, too: the one that it would be given.
        if problem is None and not project.empty_repo:
            if project.default_branch is None:
                problem = unreadable(project.path_with_namespace)
            else:
                revision, problem = await self._head(project, project.default_branch)
        return Listing(
            key=project.path,
            path=project.path_with_namespace,
            revision=revision,
            problem=problem,
            bank_id=project.id,
            branch=project.default_branch,
        )

    async def numbered(self, bank_id: int) -> Project | None:
        """Return the project of this number; None where there is none that the token may see.

        Raises:
            AskError: GitLab cannot tell.
        """
        try:
            answer = await self._client.ask(
                PROJECT, {"id": bank_id}, tell=lambda document: fact(Project, document)
            )
        except AskError as error:
            if is_refused(error, HTTPStatus.NOT_FOUND):
                return None
            raise
        return answer.told

    async def named(self, key: str) -> Project | None:
        """Return the group's project of this name; None where there certainly is none.

        The group answers with a list, which proves that it is there and may be read.

        Raises:
            AskError: GitLab cannot tell.
        """
        async with aclosing(self._listed(per_page=PER_PAGE, search=key)) as pages:
            async for page in pages:
                for one in page.told:
                    is_item = self.is_item(one.path, one.path_with_namespace, archived=one.archived)
                    if one.path == key and is_item:
                        return one
        return None

    async def see_any(self) -> None:
        """Return if the group shows a project at all, and so what is not found may be gone.

        Raises:
            BankUnavailableError: It shows none, or GitLab cannot tell.
        """
        try:
            async with aclosing(self._listed(per_page="1")) as pages:
                page = await anext(pages)
        except AskError as error:
            raise self._group.unavailable(error) from None
        if not page.told:
            raise self._group.shows_none()

    def _listed(self, **parameters: str) -> AsyncGenerator[Answer[list[Project]], None]:
        include = "true" if self.scope.include_subgroups else "false"
        asked = {
            "include_subgroups": include,
            "with_shared": "false",
            "order_by": "id",
            "sort": "asc",
            **parameters,
        }
        return self._client.pages(
            GROUP_PROJECTS, {"id": self.scope.group}, asked, tell=lambda d: facts(Project, d)
        )

    async def _head(self, project: Project, branch: str) -> tuple[str | None, Problem | None]:
        try:
            answer = await self._client.ask(
                BRANCH, {"id": project.id, "branch": branch}, tell=branch_head
            )
        except AskError as error:
            await self._group.confirm(error)
            return None, await self._why_no_head(project, error)
        return answer.told.sha, None

    async def _why_no_head(self, project: Project, error: AskError) -> Problem:
        if is_refused(error, HTTPStatus.FORBIDDEN):
            return unreadable(project.path_with_namespace)
        if is_refused(error, HTTPStatus.NOT_FOUND):
            try:
                if await self.numbered(project.id) is not None:
                    return _no_branch(project.path_with_namespace)
            except AskError as other:
                await self._group.confirm(other)
                return not_answered(other)
            # Gone since it was listed, and perhaps not alone.
            await self.see_any()
        return not_answered(error)


def not_answered(error: AskError) -> Problem:
    """Return the problem of an item that GitLab has failed to hand out."""
    return Problem(ProblemKind.NOT_ANSWERED, f"{error}: the next synchronization asks for it again")


def renamed(key: str, full_path: str) -> Problem:
    """Return the problem of a known item whose project has another name or place now."""
    return Problem(
        ProblemKind.RENAMED,
        f"the project of item {key} is {full_path} now: give it back its name and place, or "
        "delete it if the item is to go",
    )


def unreadable(full_path: str) -> Problem:
    """Return the problem of an item whose repository the token may not read."""
    return Problem(
        ProblemKind.UNREADABLE_REPOSITORY,
        f"the repository of {full_path} cannot be read: give the token's user the role Reporter "
        "there, and see whether the project has a repository",
    )


def _no_branch(full_path: str) -> Problem:
    return Problem(
        ProblemKind.NO_DEFAULT_BRANCH,
        f"the default branch of {full_path} does not exist, while the repository is not empty: "
        "choose another one in the project's settings",
    )

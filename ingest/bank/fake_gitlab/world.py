"""What the handlers have in common: the fake's state, and how a request finds its project."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pygit2
from aiohttp import web
from attrs import define, field

from ingest.bank.fake_gitlab.access import READ, Token, Tokens
from ingest.bank.fake_gitlab.activity import Activity
from ingest.bank.fake_gitlab.faults import Faults
from ingest.bank.fake_gitlab.hooks import Hooks
from ingest.bank.fake_gitlab.pacing import RateLimit
from ingest.bank.fake_gitlab.projects import Group, Project, Projects, list_folder
from ingest.bank.fake_gitlab.reading import Look, head_commit, look
from ingest.bank.fake_gitlab.refusals import Refusal, not_found
from ingest.bank.fake_gitlab.requests import Requests
from ingest.bank.repository import UNREADABLE, open_repository
from ingest.slices import Slice, Slices


@define(eq=False, kw_only=True)
class World:
    """The state of one fake GitLab."""

    projects: Projects
    tokens: Tokens
    faults: Faults
    requests: Requests
    limit: RateLimit
    hooks: Hooks
    activity: Activity
    slices: Slices = field(factory=lambda: Slices(threads=2))
    _listing: asyncio.Lock = field(factory=asyncio.Lock, init=False)

    async def refresh(self) -> None:
        """List the folder anew if it has changed.

        Raises:
            OSError: It cannot be listed.
        """
        async with self._listing:
            if not self.projects.is_stale():
                return
            root, before = self.projects.root, self.projects.listings
            listed = await self.slices.run(lambda _: list_folder(root))
            if self.projects.listings == before:  # else a newer one has come in between
                self.projects.take(listed)

    async def look(self, projects: Sequence[Project]) -> list[Look]:
        """Return how the repositories of projects stand now."""

        def read(piece: Slice) -> list[Look]:
            looks = []
            for project in projects:
                piece.check()
                looks.append(look(project.directory, project.known_head))
            return looks

        looks = await self.slices.run(read)
        for project, one in zip(projects, looks, strict=True):
            if one.sha is not None and one.committed_at is not None:
                project.known_head = one.sha, one.committed_at
        return looks

    async def describe(self, projects: Sequence[Project]) -> list[dict[str, object] | None]:
        """Return the default branches' commits; None where there is none."""

        def read(piece: Slice) -> list[dict[str, object] | None]:
            found = []
            for project in projects:
                piece.check()
                found.append(head_commit(project.directory))
            return found

        return await self.slices.run(read)

    def token(self, request: web.Request) -> Token:
        """Return the token of a request that may read.

        Raises:
            Refusal: It may not.
        """
        token = self.tokens.of(request)
        token.require(READ)
        return token

    def group(self, request: web.Request) -> Group:
        """Return the group a request speaks of.

        Raises:
            Refusal: There is none, or the token does not see it.
        """
        token = self.token(request)
        found = self.projects.find_group(request.match_info["id"])
        if found is None or not token.sees_group:
            raise not_found("Group")
        return found

    def project(self, request: web.Request) -> Project:
        """Return the project a request speaks of.

        Raises:
            Refusal: There is none, the token does not see it, or it has moved.
        """
        token = self.token(request)
        wanted = request.match_info["id"]
        found = self.projects.find(wanted)
        if found is None or found.hidden or not token.sees_projects:
            raise not_found("Project")
        if "/" in wanted and wanted.casefold() != found.full_path.casefold():
            raise _moved(request, found)
        return found

    def visible(self, token: Token, projects: Sequence[Project]) -> Sequence[Project]:
        """Return those of the projects that a token sees."""
        return projects if token.sees_projects else ()


WORLD = web.AppKey("WORLD", World)


def base(request: web.Request) -> str:
    """Return the server's own address as the client knows it."""
    return f"{request.scheme}://{request.host}"


def opened(directory: Path) -> pygit2.Repository:
    """Open a repository. Blocks.

    Raises:
        Refusal: There is none that can be read.
    """
    try:
        return open_repository(directory)
    except UNREADABLE:
        raise not_found("Repository") from None


def _moved(request: web.Request, project: Project) -> Refusal:
    if request.method not in {"GET", "HEAD"}:
        return Refusal(405, {"message": "405 Non GET methods are not allowed for moved projects"})
    head, _, rest = request.rel_url.raw_path.partition("/projects/")
    rest = rest.partition("/")[2]
    path = f"{head}/projects/{project.id}" + (f"/{rest}" if rest else "")
    query = request.rel_url.raw_query_string
    location = f"{base(request)}{path}" + (f"?{query}" if query else "")
    message = f"This resource has been moved permanently to {location}"
    return Refusal(301, {"message": message}, {"Location": location})

"""A fake GitLab with a few repositories, and a client that asks it."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession
from attrs import define
from multidict import CIMultiDictProxy

from ingest.bank.fake_gitlab.gitlab import FakeGitLab
from tests.support.gitlab_server import fake_gitlab
from tests.support.repositories import Repository


@define(eq=False)
class Answer:
    """What came back."""

    status: int
    headers: CIMultiDictProxy[str]
    json: Any


@define(eq=False)
class Asker:
    """Asks with the token that may do all."""

    gitlab: FakeGitLab
    session: ClientSession

    async def ask(self, method: str, path: str, **options: Any) -> Answer:
        """Send a request below ``/api/v4``; its JSON is None where it has none."""
        async with self.session.request(
            method, f"/api/v4{path}", allow_redirects=False, **options
        ) as response:
            is_json = response.content_type == "application/json" and method != "HEAD"
            document = await response.json() if is_json else None
            return Answer(response.status, response.headers, document)

    async def get(self, path: str, /, **query: str | int) -> Answer:
        """Ask for something."""
        return await self.ask("GET", path, params=query)

    async def graphql(self, query: str, **variables: Any) -> Any:
        """Return the document that answers a query."""
        async with self.session.post(
            "/api/graphql", json={"query": query, "variables": variables}
        ) as response:
            assert response.status == 200
            return await response.json()


@pytest.fixture
async def gitlab(tmp_path: Path) -> AsyncIterator[FakeGitLab]:
    """A fake GitLab without a project."""
    async with fake_gitlab(tmp_path / "bank", token="a-token") as made:  # noqa: S106 - no secret
        yield made


@pytest.fixture
async def asker(gitlab: FakeGitLab) -> AsyncIterator[Asker]:
    """A client of it."""
    headers = {"PRIVATE-TOKEN": gitlab.token.value}
    async with ClientSession(gitlab.url, headers=headers) as session:
        yield Asker(gitlab, session)


@pytest.fixture
def bank(gitlab: FakeGitLab) -> Path:
    """The folder that it serves."""
    return gitlab.world.projects.root


@pytest.fixture
def item(bank: Path) -> Repository:
    """Item 7, without a commit."""
    return Repository(bank / "7.git")

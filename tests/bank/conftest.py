"""The kinds of item bank for which the contract holds."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ingest.bank.base import ItemBank
from tests.support.gitlab_kind import GitLabKind, gitlab_kind
from tests.support.one_repository import OneRepositoryKind
from tests.support.repositories import BankKind, FolderKind


@pytest.fixture(params=["folder", "one-repository", "gitlab-by-graphql", "gitlab-by-rest"])
async def kind(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[BankKind]:
    """An empty bank of each kind there is."""
    root = tmp_path / "bank"
    if request.param == "folder":
        yield FolderKind(root)
    elif request.param == "one-repository":
        yield OneRepositoryKind(root)
    else:
        async with gitlab_kind(root, by_graphql=request.param == "gitlab-by-graphql") as made:
            yield made


@pytest.fixture
async def gitlab(tmp_path: Path) -> AsyncIterator[GitLabKind]:
    """A group without a project, for what only GitLab can do."""
    async with gitlab_kind(tmp_path / "gitlab") as made:
        yield made


@pytest.fixture
async def bank(kind: BankKind) -> AsyncIterator[ItemBank]:
    """The bank of that kind, which sees whatever the kind makes afterwards."""
    made = kind.bank()
    yield made
    await made.aclose()


@pytest.fixture
def folder(tmp_path: Path) -> FolderKind:
    """An empty folder bank, for what only a folder can hold."""
    return FolderKind(tmp_path / "folder")


@pytest.fixture
def one(tmp_path: Path) -> OneRepositoryKind:
    """A repository without an item."""
    return OneRepositoryKind(tmp_path / "bank")

"""The kinds of item bank for which the contract holds."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ingest.bank.base import ItemBank
from tests.support.one_repository import OneRepositoryKind
from tests.support.repositories import BankKind, FolderKind

KINDS = {"folder": FolderKind, "one-repository": OneRepositoryKind}


@pytest.fixture(params=list(KINDS))
def kind(request: pytest.FixtureRequest, tmp_path: Path) -> BankKind:
    """An empty bank of each kind there is."""
    made: BankKind = KINDS[request.param](tmp_path / "bank")
    return made


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

"""A database with the schema in it: a real file, copied for each test."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ingest.storage.database import Database
from tests.support.databases import make_template


@pytest.fixture(scope="session")
def database_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file to copy."""
    return make_template(tmp_path_factory.mktemp("template") / "ingest.db")


@pytest.fixture
async def database(database_template: Path, tmp_path: Path) -> AsyncIterator[Database]:
    """A new database."""
    path = tmp_path / "ingest.db"
    shutil.copy(database_template, path)
    made = Database(path, busy_timeout_s=0.05)
    yield made
    await made.close()

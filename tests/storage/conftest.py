"""A database with the schema in it: a real file, copied for each test."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ingest.storage.database import Database


@pytest.fixture
async def database(empty_database: Path, tmp_path: Path) -> AsyncIterator[Database]:
    """A new database, which does not wait long for somebody else's lock."""
    path = tmp_path / "ingest.db"
    shutil.copyfile(empty_database, path)
    made = Database(path, busy_timeout_s=0.05)
    yield made
    await made.close()

"""A folder bank, a database, and the real jobs between them."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ingest.bank.sample import make_sample_bank
from ingest.storage.database import Database
from tests.support.job_bench import JobBench, Links, WatchedBank
from tests.support.repositories import FolderKind

#: More than two pages of a migration, more than two batches of a synchronization.
LARGE_BANK_ITEMS = 450


@pytest.fixture(scope="session")
def large_bank(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Many repositories, for all tests together: to be linked to, not to be changed."""
    folder = tmp_path_factory.mktemp("large") / "bank"
    make_sample_bank(folder, items=LARGE_BANK_ITEMS)
    return sorted(folder.iterdir())


@pytest.fixture
def folder(tmp_path: Path) -> FolderKind:
    """What the item bank holds: nothing yet."""
    return FolderKind(tmp_path / "bank")


@pytest.fixture
async def database(empty_database: Path, tmp_path: Path) -> AsyncIterator[Database]:
    """A new database."""
    path = tmp_path / "ingest.db"
    shutil.copyfile(empty_database, path)
    made = Database(path)
    yield made
    await made.close()


@pytest.fixture
async def bench(folder: FolderKind, database: Database) -> AsyncIterator[JobBench]:
    """The jobs over that folder and that database."""
    bank = folder.bank()
    yield JobBench(WatchedBank(bank), database)
    await bank.aclose()


@pytest.fixture
def links(folder: FolderKind, large_bank: list[Path]) -> Links:
    """Puts items of the large bank into the folder, and takes them away again."""
    return Links(folder.root, large_bank)

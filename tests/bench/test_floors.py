"""The floors do the service's work, and the comparison of rows would tell if they did not."""

import shutil
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from attrs import frozen

from ingest.bank.folder import FolderBank
from ingest.bank.sample import make_sample_bank
from ingest.storage.database import Database
from tests.bench import straight, straight_migration
from tests.bench.bank_changes import CHANGED_ITEMS, changing
from tests.bench.digests import differing, digests
from tests.bench.processes import outdate
from tests.support.job_bench import JobBench, WatchedBank


@frozen
class Beside:
    """The service's jobs and their database, and the database of the floors."""

    bench: JobBench
    database: Path
    floor: Path
    bank: Path


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bank of items with something in every table."""
    folder = tmp_path_factory.mktemp("bench") / "bank"
    make_sample_bank(folder, items=60)
    return folder


@pytest.fixture
async def beside(tmp_path: Path, empty_database: Path, bank: Path) -> AsyncIterator[Beside]:
    """Both, with nothing stored."""
    paths = [tmp_path / name for name in ("service.db", "floor.db")]
    for path in paths:
        shutil.copyfile(empty_database, path)
    database, folder = Database(paths[0]), FolderBank(bank)
    yield Beside(JobBench(WatchedBank(folder), database), paths[0], paths[1], bank)
    await folder.aclose()
    await database.close()


async def test_the_floor_of_a_first_sync_writes_the_same_rows(beside: Beside) -> None:
    """What the straight script leaves is what the service leaves."""
    await beside.bench.synchronize()
    straight.first(beside.bank, beside.floor)
    assert differing(digests(beside.database), digests(beside.floor)) == []


async def test_the_floor_of_a_migration_writes_the_same_rows(beside: Beside) -> None:
    """What the straight script leaves is what the service leaves, the log's new rows too."""
    await beside.bench.synchronize()
    straight.first(beside.bank, beside.floor)
    synchronized = digests(beside.floor)
    for path in (beside.database, beside.floor):
        outdate(path)
    assert (await beside.bench.migrate()).counts.updated == 60
    straight_migration.migration(beside.bank, beside.floor)
    assert differing(digests(beside.database), digests(beside.floor)) == []
    assert differing(digests(beside.floor), synchronized) == ["item_log"]


async def test_a_changed_bank_is_as_it_was_afterwards(beside: Beside) -> None:
    """Each change is found by a synchronization, and taken back at the end."""
    await beside.bench.synchronize()
    with changing(beside.bank) as changes:
        for _ in range(2):
            changes.change()
            assert (await beside.bench.synchronize()).counts.updated == CHANGED_ITEMS
    straight.first(beside.bank, beside.floor)
    with pytest.raises(ValueError, match="is stored"):
        straight.unchanged(beside.bank, beside.database)
    straight.unchanged(beside.bank, beside.floor)


@pytest.mark.parametrize(
    ("table", "key"),
    [
        ("item_log", "item_log_id"),
        ("item_keyword", "item_keyword_id"),
        ("item_attachment", "item_attachment_id"),
        ("item_form", "item_form_id"),
        ("item_content_update_need", "item_content_update_need_id"),
        ("item_assignment", "item_assignment_id"),
    ],
)
def test_a_row_that_is_missing_shows(
    table: str, key: str, tmp_path: Path, empty_database: Path, bank: Path
) -> None:
    """Rows are compared in their order, whatever their keys."""
    database = Path(shutil.copyfile(empty_database, tmp_path / "ingest.db"))
    straight.first(bank, database)
    before = digests(database)
    change(database, f"UPDATE {table} SET {key} = {key} + 100000")
    assert differing(before, digests(database)) == []
    change(database, f"DELETE FROM {table} WHERE {key} = (SELECT max({key}) FROM {table})")
    assert differing(before, digests(database)) == [table]


@pytest.mark.parametrize(
    ("damage", "table"),
    [
        ("UPDATE item SET subject = 'spoilt' WHERE id = 100030", "item"),
        ("UPDATE item_git SET branch = 'spoilt' WHERE bank_key = '100030'", "item_git"),
    ],
)
def test_a_value_that_differs_shows(
    damage: str, table: str, tmp_path: Path, empty_database: Path, bank: Path
) -> None:
    """Rows are compared whole."""
    database = Path(shutil.copyfile(empty_database, tmp_path / "ingest.db"))
    straight.first(bank, database)
    before = digests(database)
    change(database, damage)
    assert differing(before, digests(database)) == [table]


def change(database: Path, statement: str) -> None:
    """Run a statement."""
    with sqlite3.connect(database) as connection:
        connection.execute(statement)
    connection.close()

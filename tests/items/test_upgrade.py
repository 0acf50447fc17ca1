"""A database of the first version: its rows outlast the upgrade, and the migration fills them."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ingest.errors import DatabaseUnavailableError
from ingest.model.columns import ITEM_COLUMNS
from ingest.model.item import DERIVATION_VERSION
from ingest.model.job import Counts, JobStatus
from ingest.storage import migrations
from ingest.storage.check import check_database
from ingest.storage.database import Database
from ingest.storage.execution_queries import ExecutionQueries
from ingest.storage.schema import NEWEST, upgrade
from tests.support.databases import change, row_count, rows, stored_items
from tests.support.job_bench import JobBench, Links, ended
from tests.support.old_databases import (
    FIRST_DERIVATION_VERSION,
    make_database,
    make_first_version,
    make_old_version,
)

ITEMS = 450
DEADLINE_S = 20
LISTS = ("item_form", "item_content_update_need", "item_assignment")


@pytest.fixture
async def fresh(links: Links, bench: JobBench) -> JobBench:
    """A bank, and a database that today's service has filled from it."""
    links.put(ITEMS)
    assert (await bench.synchronize()).counts.created == ITEMS
    bench.bank.asked.clear()
    return bench


@pytest.fixture
async def old(fresh: JobBench, tmp_path: Path) -> AsyncIterator[JobBench]:
    """The same bank, and a database that the first version has filled from it."""
    path = tmp_path / "old.db"
    make_first_version(path, fresh.database.path)
    database = Database(path)
    yield JobBench(fresh.bank, database)
    await database.close()


async def test_the_upgrade_keeps_every_row(old: JobBench) -> None:
    """Whatever stood in any table stands there still; what is new is unset, and told apart."""
    database = old.database
    schema = "SELECT name FROM sqlite_schema WHERE type = 'table' AND sql NOT LIKE '%VIRTUAL%'"
    tables = [row[0] for row in await rows(database, schema) if "_fts" not in row[0]]
    before = {}
    for table in tables:
        columns = [row.name for row in await rows(database, f"PRAGMA table_info({table})")]
        before[table] = f"SELECT {', '.join(columns)} FROM {table} ORDER BY 1"  # noqa: S608
    kept = {table: await rows(database, before[table]) for table in tables}
    assert len(kept["item"]) == ITEMS

    await upgrade(database)
    del kept["alembic_version"]
    assert {table: await rows(database, before[table]) for table in kept} == kept
    assert tuple((await rows(database, "SELECT * FROM alembic_version"))[0]) == (NEWEST,)
    assert [await row_count(database, table) for table in LISTS] == [0, 0, 0]
    first = before["item"].split(" FROM ")[0].removeprefix("SELECT ").split(", ")
    for column in ITEM_COLUMNS:
        if column.name not in first:
            found = await rows(database, f"SELECT DISTINCT {column.name} FROM item")  # noqa: S608
            unset = None if column.nullable else {"text": "", "integer": 0, "boolean": 0}
            assert [row[0] for row in found] == [unset and unset[column.type]], column.name
    versions = await rows(database, "SELECT DISTINCT derivation_version FROM item")
    assert [row[0] for row in versions] == [FIRST_DERIVATION_VERSION]


async def test_the_migration_fills_what_the_upgrade_has_added(
    old: JobBench, fresh: JobBench
) -> None:
    """After it the rows are those of a fresh synchronization, and no repository was read."""
    await upgrade(old.database)
    expected = await stored_items(fresh.database)
    assert await stored_items(old.database) != expected

    execution = await old.migrate()
    assert (execution.status, execution.counts) == (JobStatus.COMPLETED, Counts(updated=ITEMS))
    assert await stored_items(old.database) == expected
    for table in LISTS:
        assert await row_count(old.database, table) == await row_count(fresh.database, table) > 0
    assert old.bank.asked == []
    assert (await old.migrate()).counts == Counts(unchanged=ITEMS)


async def test_an_interrupted_migration_leaves_every_row_old_or_new(
    old: JobBench, fresh: JobBench
) -> None:
    """Row by row with its lists, told apart by the version; the next one does the others."""
    await upgrade(old.database)
    as_new = await stored_items(fresh.database)
    as_old = await stored_items(old.database)
    old.bank.halt_at_reading = 2
    running = await old.begin_migration()
    async with asyncio.timeout(DEADLINE_S):
        await old.bank.halted.wait()
        assert await old.engine.drain(grace_s=DEADLINE_S, by="a test")
    assert (await ended(running)).counts == Counts(updated=200)

    version = {
        row.id: row.derivation_version
        for row in await rows(old.database, "SELECT id, derivation_version FROM item")
    }
    assert sorted(version.values()) == [FIRST_DERIVATION_VERSION] * 250 + [DERIVATION_VERSION] * 200
    for item_id, found in (await stored_items(old.database)).items():
        by_version = as_new if version[item_id] == DERIVATION_VERSION else as_old
        assert found == by_version[item_id]

    resumed = await JobBench(old.bank, old.database).migrate()
    assert resumed.counts == Counts(updated=250)
    assert await stored_items(old.database) == as_new


async def test_a_synchronization_leaves_old_rows_to_the_migration(old: JobBench) -> None:
    """An unchanged item costs no read, whatever rules its row was derived by."""
    await upgrade(old.database)
    assert (await old.synchronize()).counts == Counts(unchanged=ITEMS)
    assert old.bank.asked == []


def versions() -> list[str]:
    """Return every version of the schema before the newest, oldest first."""
    folder = Path(migrations.__file__).parent / "versions"
    found = sorted(one.name.partition("_")[0] for one in folder.glob("[0-9]*.py"))
    assert found[-1] == NEWEST
    return found[:-1]


@pytest.mark.parametrize("version", versions())
async def test_every_earlier_version_is_upgraded_with_its_rows(
    fresh: JobBench, tmp_path: Path, version: str
) -> None:
    """From whichever: nothing is lost, the database is sound, and the jobs go on with it."""
    await fresh.migrate()
    if version >= "0003":
        await fresh.synchronize(is_dry_run=True)  # earlier ones knew none
    path = tmp_path / "old.db"
    make_old_version(path, fresh.database.path, version)
    database = Database(path)
    tables = [*LISTS, "item", "item_git", "item_log", "item_keyword", "batch_job_execution_event"]
    known = {
        row[0]
        for row in await rows(database, "SELECT name FROM sqlite_schema WHERE type = 'table'")
    }
    counts = {one: await row_count(database, one) for one in tables if one in known}
    assert counts["item"] == ITEMS
    assert await upgrade(database) == version

    assert {one: await row_count(database, one) for one in counts} == counts
    assert await asyncio.to_thread(lambda: check_database(path).faults) == []
    bench = JobBench(fresh.bank, database)
    assert (await bench.migrate()).status is JobStatus.COMPLETED
    assert (await bench.synchronize()).counts == Counts(unchanged=ITEMS)
    assert await stored_items(database) == await stored_items(fresh.database)
    assert (await ExecutionQueries(database).get(1)).counts.created == ITEMS
    await database.close()


async def test_an_empty_database_of_the_first_version_is_upgraded(tmp_path: Path) -> None:
    """With no row to keep there is nothing to trip over either."""
    path = tmp_path / "old.db"
    make_database(path, "0001")
    database = Database(path)
    await upgrade(database)
    assert await stored_items(database) == {}
    await database.close()


async def test_an_upgrade_that_fails_leaves_the_database_as_it_was(tmp_path: Path) -> None:
    """All of it or none: what stands in its way is said, and once mended it goes through."""
    path = tmp_path / "old.db"
    make_database(path, "0001")
    database = Database(path)
    await change(database, "CREATE TABLE item_assignment (in_the_way TEXT)")
    schema = "SELECT name, sql FROM sqlite_schema ORDER BY name"
    before = await rows(database, schema)
    with pytest.raises(DatabaseUnavailableError, match="item_assignment already exists"):
        await upgrade(database)
    assert await rows(database, schema) == before
    assert tuple((await rows(database, "SELECT * FROM alembic_version"))[0]) == ("0001",)

    await change(database, "DROP TABLE item_assignment")
    await upgrade(database)
    assert tuple((await rows(database, "SELECT * FROM alembic_version"))[0]) == (NEWEST,)
    await database.close()

"""A dry run: it reads and compares as a synchronization does, and writes no item."""

import asyncio

import pytest

from ingest.jobs.engine import Abandoned
from ingest.model.job import Counts, JobExecution, JobStatus
from ingest.model.plan import PlannedChange, PlannedCounts
from ingest.storage.check import check_database
from ingest.storage.database import Database
from ingest.storage.execution_queries import ExecutionQueries
from tests.support.bank_calls import threads_at_work
from tests.support.databases import rows
from tests.support.documents import item_content
from tests.support.job_bench import ASK, JobBench, Links
from tests.support.repositories import FolderKind

DEADLINE_S = 20

TABLES = ("item", "item_git", "item_log", "item_keyword", "item_attachment", "ingest_problem")


async def content(database: Database) -> list[list[tuple[object, ...]]]:
    """Return every row of the tables that a dry run must leave alone."""
    found = [await rows(database, f"SELECT * FROM {table}") for table in (*TABLES, "bank_scan")]  # noqa: S608
    return [list(map(tuple, one)) for one in found]


async def planned(bench: JobBench, execution: JobExecution) -> dict[int, PlannedChange]:
    """Return what a dry run has planned, by item id."""
    page = await ExecutionQueries(bench.database).planned_changes(
        execution.id, limit=1000, after=None, change=None
    )
    return {one.item_id: one.change for one in page}


async def test_a_dry_run_writes_no_item(links: Links, bench: JobBench, database: Database) -> None:
    """It says what a synchronization would create, which then does just that, and is in step."""
    links.put(40)
    before = await content(database)
    dry = await bench.synchronize(is_dry_run=True)
    assert (dry.status, dry.counts) == (JobStatus.COMPLETED, Counts(read=40))
    assert (dry.progress.processed, dry.progress.total) == (40, 40)
    assert dry.planned == PlannedCounts(created=40)
    assert dry.parameters == {"dry-run": "true"}
    assert "the database is not in step with the item bank" in dry.exit_message
    assert await content(database) == before

    real = await bench.synchronize()
    assert real.counts.created == 40
    assert real.planned is None
    ids = [row[0] for row in await rows(database, "SELECT id FROM item")]
    assert await planned(bench, dry) == dict.fromkeys(ids, PlannedChange.CREATED)

    again = await bench.synchronize(is_dry_run=True)
    assert [one for one in check_database(database.path).findings if one.is_fault] == []
    assert (again.planned, again.counts) == (PlannedCounts(), Counts(unchanged=40))
    assert "the database is in step with the item bank" in again.exit_message


async def test_a_dry_run_tells_every_kind_of_change(
    folder: FolderKind, bench: JobBench, database: Database
) -> None:
    """New, changed, gone, bad: each is named, the problems on record stay as they are."""
    repositories = {item_id: folder.item(str(item_id)) for item_id in (7, 8, 9, 10)}
    for item_id, repository in repositories.items():
        repository.commit(item_content(item_id))
    repositories[10].commit(b"no JSON")
    await bench.synchronize()
    repositories[8].commit(item_content(8, **{"core.metadata.subject": "Math"}))
    folder.remove("9")
    repositories[10].commit(item_content(10))
    folder.item("11").commit(item_content(11))
    folder.item("12").commit(b"no JSON either")
    before = await content(database)

    dry = await bench.synchronize(is_dry_run=True)
    assert await planned(bench, dry) == {
        8: PlannedChange.UPDATED,
        9: PlannedChange.DELETED,
        10: PlannedChange.CREATED,
        11: PlannedChange.CREATED,
    }
    assert dry.counts == Counts(read=4, unchanged=1, failed=1)
    assert dry.exit_message == (
        "Dry run, no item was written: the database is not in step with the item bank. "
        "Total item bank ids: 5, to be created: 2, to be updated: 1, to be deleted: 1, "
        "with a problem: 1"
    )
    assert await content(database) == before

    real = await bench.synchronize()
    assert real.counts == Counts(read=4, created=2, updated=1, deleted=1, unchanged=1, failed=1)


async def test_a_bad_item_is_not_in_step(folder: FolderKind, bench: JobBench) -> None:
    """With an item that cannot be ingested the honest answer is no, though nothing is planned."""
    folder.item("7").commit(b"no JSON")
    await bench.synchronize()
    dry = await bench.synchronize(is_dry_run=True)
    assert (dry.planned, dry.counts) == (PlannedCounts(), Counts(failed=1))
    assert "is not in step" in dry.exit_message


@pytest.mark.parametrize("allow_deletes", [None, 30])
async def test_a_dry_run_names_deletions_that_would_be_withheld(
    links: Links, bench: JobBench, allow_deletes: int | None
) -> None:
    """It does not fail of the cap, but says that a synchronization would, and which are gone."""
    links.put(40)
    await bench.synchronize()
    links.take(30)
    dry = await bench.synchronize(is_dry_run=True, allow_deletes=allow_deletes)
    assert (dry.status, dry.planned) == (JobStatus.COMPLETED, PlannedCounts(deleted=30))
    would_fail = "A synchronization would FAIL: 30 of 40 items are not in the item bank any more"
    assert (would_fail in dry.exit_message) == (allow_deletes is None)
    # Nobody is to be alarmed by what was only asked.
    assert await ExecutionQueries(bench.database).withheld_deletions() is None


async def test_a_dry_run_is_abandoned_like_any_other(
    links: Links, bench: JobBench, database: Database
) -> None:
    """What it had planned stands, and nothing of it happens any more."""
    links.put(450)
    before = await content(database)
    bench.bank.halt_after_items = 250
    running = await bench.begin_synchronization(is_dry_run=True)
    async with asyncio.timeout(DEADLINE_S):
        await bench.bank.halted.wait()
        became = await bench.engine.abandon(running.instance, ASK, wait_s=DEADLINE_S)
    assert isinstance(became, Abandoned)
    assert threads_at_work() == []
    assert became.execution.planned is not None
    assert became.execution.planned.created == became.execution.progress.processed
    assert await content(database) == before

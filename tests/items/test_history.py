"""An item's history by way of the job: however it arrives, its rows come out the same."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ingest.storage.database import Database
from tests.support.databases import rows, stored_items
from tests.support.documents import item_content
from tests.support.job_bench import JobBench, WatchedBank
from tests.support.repositories import DAY_S, FIRST_COMMIT_S, FolderKind, Repository

FIRST = datetime.fromtimestamp(FIRST_COMMIT_S, UTC)
DAY = timedelta(seconds=DAY_S)


def state(status: str, prompt: str = "as it was", updated: datetime | None = None) -> bytes:
    """Return a document with this status and text, the text dated if it was updated."""
    changes = {
        "workflow.workflowStatusCode": status,
        "core.en.prompt": prompt,
        "core.en.updatedDate": None if updated is None else updated.isoformat(),
    }
    return item_content(7, "mc", **changes)


#: Who committed what, a day apart.
COMMITS = [
    ("Ada", state("Draft")),
    ("Bob", state("Operational")),
    ("Carmen", state("Operational", "mended", FIRST + 2 * DAY)),
    ("Dariusz", state("DataReview", "mended", FIRST + 2 * DAY)),
]


@asynccontextmanager
async def jobs(folder: FolderKind, empty_database: Path, path: Path) -> AsyncIterator[JobBench]:
    """The jobs between that folder and a new database."""
    shutil.copyfile(empty_database, path)
    bank, database = folder.bank(), Database(path)
    yield JobBench(WatchedBank(bank), database)
    await bank.aclose()
    await database.close()


@pytest.mark.parametrize("syncs", [(4,), (1, 1, 1, 1), (2, 2), (1, 3)])
async def test_commits_come_to_the_same_in_one_synchronization_or_several(
    folder: FolderKind, empty_database: Path, tmp_path: Path, syncs: tuple[int, ...]
) -> None:
    """Draft, operational, edited, under review again, by four people: every fact is in the row."""
    repository = folder.item("7")
    async with jobs(folder, empty_database, tmp_path / "piecewise.db") as piecewise:
        hashes = await synchronize_as_they_come(repository, piecewise, syncs)
        found = await stored_items(piecewise.database)
        log = await rows(piecewise.database, "SELECT commit_hash, author FROM item_log ORDER BY 1")
        (row,) = await rows(piecewise.database, "SELECT * FROM item")
    async with jobs(folder, empty_database, tmp_path / "at_once.db") as at_once:
        await at_once.synchronize()
        assert await stored_items(at_once.database) == found

    people = [author for author, _ in COMMITS]
    assert sorted(zip(hashes, people, strict=True)) == [tuple(one) for one in log]
    assert (row.workflow_status, row.item_created_by, row.updated_by) == (
        *("DataReview", "Ada", "Dariusz"),
    )
    moments = (row.item_created_at, row.operational_at, row.workflow_status_set_at, row.updated_at)
    dates = [f"{FIRST + days * DAY:%Y-%m-%d %H:%M:%S.%f}" for days in (0, 1, 3, 3)]
    assert list(moments) == dates
    assert row.content_changed_after_operational == 1


async def synchronize_as_they_come(
    repository: Repository, bench: JobBench, syncs: tuple[int, ...]
) -> list[str]:
    """Commit and synchronize in turn, so many commits at a time; return the commits' hashes."""
    hashes: list[str] = []
    for commits in syncs:
        for author, content in COMMITS[len(hashes) : len(hashes) + commits]:
            hashes.append(repository.commit(content, author=author))
        execution = await bench.synchronize()
        assert execution.counts.written == 1
    return hashes


async def test_becoming_operational_again_begins_anew(
    folder: FolderKind, empty_database: Path, tmp_path: Path
) -> None:
    """What was changed before an item was released again is part of what was released."""
    repository = folder.item("7")
    for author, content in COMMITS:
        repository.commit(content, author=author)
    repository.commit(state("Operational", "mended", FIRST + 2 * DAY), author="Eve")
    async with jobs(folder, empty_database, tmp_path / "again.db") as bench:
        await bench.synchronize()
        (row,) = await rows(bench.database, "SELECT * FROM item")
    assert row.operational_at == f"{FIRST + 4 * DAY:%Y-%m-%d %H:%M:%S.%f}"
    assert row.content_changed_after_operational == 0

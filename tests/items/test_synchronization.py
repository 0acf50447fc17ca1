"""The synchronization job, between a real bank and a real database."""

import asyncio
import os

from ingest.items.writing import BATCH_ITEMS
from ingest.jobs.engine import Abandoned
from ingest.model.job import Counts, JobStatus
from ingest.storage.database import Database
from ingest.storage.items import load_items
from tests.support.bank_calls import threads_at_work
from tests.support.databases import row_count, rows
from tests.support.documents import item_content
from tests.support.job_bench import ASK, JobBench, Links, ended
from tests.support.repositories import FolderKind, Repository

DEADLINE_S = 20


async def ids(database: Database) -> list[int]:
    """Return the ids of the stored items."""
    return [row[0] for row in await rows(database, "SELECT id FROM item ORDER BY id")]


async def problems(database: Database) -> list[tuple[str, str, int]]:
    """Return key, kind and attempts of each stored problem."""
    sql = "SELECT bank_key, kind, attempts FROM ingest_problem ORDER BY bank_key"
    return [(row[0], row[1], row[2]) for row in await rows(database, sql)]


def put(folder: FolderKind, *item_ids: int) -> list[Repository]:
    """Put items there, each with its document."""
    repositories = [folder.item(str(item_id)) for item_id in item_ids]
    for repository, item_id in zip(repositories, item_ids, strict=True):
        repository.commit(item_content(item_id))
    return repositories


async def test_the_first_synchronization_creates_every_item(
    folder: FolderKind, bench: JobBench, database: Database
) -> None:
    """Each item is a row at the bank's revision, with its whole history in the log."""
    repository, *_ = put(folder, 7, 30)
    newest = repository.commit(item_content(7, **{"core.metadata.subject": "Math"}), author="Bob")

    execution = await bench.synchronize()
    assert execution.status is JobStatus.COMPLETED
    assert execution.exit_message == (
        "Total item bank ids: 2, number of items requiring project webhook: 0, "
        "number of items deleted from IMRT: 0, last item processed 30"
    )
    assert execution.counts == Counts(read=2, created=2)
    assert (execution.progress.processed, execution.progress.total) == (2, 2)

    stored = (await database.read(lambda c: load_items(c, [7])))[7]
    assert (stored.stored.revision, stored.row.values["subject"]) == (newest, "Math")
    assert (stored.row.values["item_created_by"], stored.row.values["updated_by"]) == ("Ada", "Bob")
    assert await row_count(database, "item_log") == 3
    (scan,) = await rows(database, "SELECT complete, seen, finished FROM bank_scan")
    assert (scan.complete, scan.seen) == (1, 2)
    assert scan.finished is not None


async def test_an_unchanged_bank_costs_no_read(links: Links, bench: JobBench) -> None:
    """The second time every item is unchanged, and none is asked for."""
    links.put(40)
    assert (await bench.synchronize()).counts == Counts(read=40, created=40)
    bench.bank.asked.clear()

    execution = await bench.synchronize()
    assert execution.counts == Counts(unchanged=40)
    assert bench.bank.asked == []
    assert execution.exit_message.endswith("last item processed 0")


async def test_a_new_commit_updates_its_item_alone(
    folder: FolderKind, bench: JobBench, database: Database
) -> None:
    """Only what has changed is read, from the stored commit on; publishing is a change as well."""
    _, repository = put(folder, 7, 8)
    repository.commit(item_content(8), beside={"create": b""})
    await bench.synchronize()
    being_made = "SELECT is_being_created FROM item WHERE id = 8"
    assert (await rows(database, being_made))[0][0] == 1
    bench.bank.asked.clear()

    published = repository.commit(item_content(8), author="Bob")
    execution = await bench.synchronize()
    assert execution.counts == Counts(read=1, updated=1, unchanged=1)
    assert bench.bank.asked == ["8"]
    assert (await rows(database, being_made))[0][0] == 0
    log = await rows(
        database,
        f"SELECT commit_hash FROM item_log WHERE job_execution_id = {execution.id}",  # noqa: S608
    )
    assert [row[0] for row in log] == [published]


async def test_a_few_items_gone_are_deleted(
    links: Links, bench: JobBench, database: Database
) -> None:
    """5 of 200 may go without anybody's word, with all that is theirs."""
    links.put(200)
    await bench.synchronize()
    links.take(5)

    execution = await bench.synchronize()
    assert execution.counts == Counts(unchanged=195, deleted=5)
    assert "number of items deleted from IMRT: 5," in execution.exit_message
    assert await row_count(database, "item") == await row_count(database, "item_git") == 195


async def test_too_many_items_gone_are_not_deleted_without_a_word(
    links: Links, bench: JobBench, database: Database
) -> None:
    """The message says how many of how many are gone, and how to allow it; then it is done."""
    links.put(40)
    await bench.synchronize()
    links.take(30)

    refused = await bench.synchronize()
    assert refused.status is JobStatus.FAILED
    assert refused.exit_message.startswith("30 of 40 items are not in the item bank any more")
    assert "allow-deletes=30" in refused.exit_message
    assert "Traceback" not in refused.exit_message
    assert refused.counts == Counts(unchanged=10)
    assert await row_count(database, "item") == 40

    assert (await bench.synchronize(allow_deletes=29)).status is JobStatus.FAILED
    allowed = await bench.synchronize(allow_deletes=30)
    assert (allowed.status, allowed.counts.deleted) == (JobStatus.COMPLETED, 30)
    assert await row_count(database, "item") == 10


async def test_an_empty_bank_deletes_nothing(
    folder: FolderKind, bench: JobBench, database: Database
) -> None:
    """A bank without a single item is more likely gone than empty."""
    put(folder, 7)
    await bench.synchronize()
    folder.remove("7")
    execution = await bench.synchronize()
    assert execution.status is JobStatus.FAILED
    assert "allow-deletes=1" in execution.exit_message
    assert await ids(database) == [7]


async def test_an_item_is_deleted_only_when_its_absence_is_certain(
    folder: FolderKind, bench: JobBench, database: Database
) -> None:
    """What a listing keeps silent about is asked for by itself first."""
    put(folder, 7, 8)
    await bench.synchronize()
    bench.bank.hidden = {"7"}
    execution = await bench.synchronize()
    assert execution.status is JobStatus.COMPLETED
    assert execution.counts == Counts(unchanged=2)
    assert (execution.progress.total, execution.progress.processed) == (2, 2)
    assert await ids(database) == [7, 8]


async def test_an_item_that_was_not_listed_comes_in_step_all_the_same(
    folder: FolderKind, bench: JobBench, database: Database
) -> None:
    """A completed run leaves nothing behind of what the bank has, whatever the listing showed."""
    seven, _, nine = put(folder, 7, 8, 9)
    await bench.synchronize()
    seven.commit(item_content(7), author="Bob")
    nine.commit(b"no JSON")
    bench.bank.hidden = {"7", "9"}
    execution = await bench.synchronize()
    assert execution.status is JobStatus.COMPLETED
    assert execution.exit_message.startswith("Total item bank ids: 3,")
    assert execution.counts == Counts(read=2, updated=1, unchanged=1, failed=1)
    (row,) = await rows(database, "SELECT updated_by FROM item WHERE id = 7")
    assert row.updated_by == "Bob"
    assert [key for key, _, _ in await problems(database)] == ["9"]


async def test_a_bank_that_goes_away_deletes_nothing(
    folder: FolderKind, bench: JobBench, database: Database
) -> None:
    """The job fails; what it had read by then stands, and no row goes."""
    put(folder, 7, 8)
    await bench.synchronize()
    folder.remove("7")
    put(folder, 9)
    bench.bank.halt_after_items = 1
    running = await bench.begin_synchronization()
    async with asyncio.timeout(DEADLINE_S):
        await bench.bank.halted.wait()
        folder.go_away()
        bench.bank.go_on.set()
        execution = await ended(running)
    assert execution.status is JobStatus.FAILED
    assert execution.exit_message.startswith(f"The item bank {folder.root} cannot be read")
    assert {7, 8} <= set(await ids(database))
    assert threads_at_work() == []


async def test_bad_items_are_problems_until_they_heal(
    folder: FolderKind, bench: JobBench, database: Database
) -> None:
    """A bad item costs nobody else anything, keeps its last good row, and is not read in vain."""
    was_good, never_good, _ = put(folder, 7, 8, 9)
    never_good.commit(b"no JSON", anew=True)
    (folder.root / "10").mkdir()
    first = await bench.synchronize()
    assert (first.status, first.counts) == (
        JobStatus.COMPLETED,
        Counts(read=3, created=2, failed=2),
    )
    assert await problems(database) == [("10", "NOT_A_REPOSITORY", 1), ("8", "NOT_JSON", 1)]

    was_good.commit(None)
    second = await bench.synchronize()
    assert second.counts == Counts(read=1, unchanged=1, failed=3)
    assert ("7", "DOCUMENT_REMOVED", 1) in await problems(database)
    assert await ids(database) == [7, 9]

    bench.bank.asked.clear()
    third = await bench.synchronize()
    assert third.counts == Counts(unchanged=1, failed=3)
    assert bench.bank.asked == []

    was_good.commit(item_content(7))
    never_good.commit(item_content(8))
    (folder.root / "10").rmdir()
    last = await bench.synchronize()
    assert last.counts == Counts(read=2, created=1, updated=1, unchanged=1)
    assert await problems(database) == []
    assert await ids(database) == [7, 8, 9]


async def test_an_item_taken_back_to_its_stored_revision_is_well_again(
    folder: FolderKind, bench: JobBench, database: Database
) -> None:
    """Where a bad commit is undone by a forced push there is nothing to read, but to forgive."""
    (repository,) = put(folder, 7)
    good = repository.git("rev-parse", "HEAD")
    await bench.synchronize()
    repository.commit(b"no JSON")
    await bench.synchronize()
    assert await problems(database) == [("7", "NOT_JSON", 1)]
    repository.git("update-ref", "HEAD", good)
    assert (await bench.synchronize()).counts == Counts(unchanged=1)
    assert await problems(database) == []


async def test_a_number_that_is_no_id_stands_for_no_item(
    folder: FolderKind, bench: JobBench, database: Database
) -> None:
    """A folder 007 neither keeps item 7 from being deleted, nor its problem from going with it."""
    put(folder, 7, 8)
    folder.item("007").commit(item_content(7))
    await bench.synchronize()
    assert await problems(database) == [("007", "BAD_KEY", 1)]
    folder.remove("7")
    assert (await bench.synchronize()).counts == Counts(unchanged=1, deleted=1, failed=1)

    put(folder, 7)
    folder.remove("007")
    assert (await bench.synchronize()).counts.created == 1
    assert await problems(database) == []


async def test_a_repository_without_a_document_is_no_item_yet(
    folder: FolderKind, bench: JobBench, database: Database
) -> None:
    """Real repositories begin with an empty commit, or none: no error, and an item later on."""
    folder.item("7")
    repository = folder.item("8")
    repository.commit(None)
    assert (await bench.synchronize()).counts == Counts(unchanged=2)
    repository.commit(item_content(8))
    assert (await bench.synchronize()).counts == Counts(read=1, created=1, unchanged=1)
    assert await ids(database) == [8]


async def test_abandoned_in_mid_work_what_is_counted_is_what_is_written(
    links: Links, bench: JobBench, database: Database
) -> None:
    """After the answer counts, rows and log agree, and nothing of the job happens any more."""
    links.put(450)
    bench.bank.halt_after_items = 250
    running = await bench.begin_synchronization()
    async with asyncio.timeout(DEADLINE_S):
        await bench.bank.halted.wait()
        result = await bench.engine.abandon(running.instance, ASK, wait_s=DEADLINE_S)
    assert isinstance(result, Abandoned)
    execution = result.execution
    assert execution.status is JobStatus.ABANDONED
    assert threads_at_work() == []

    distinct = "SELECT DISTINCT item_key FROM item_log"
    logged = await rows(database, f"{distinct} WHERE job_execution_id = {execution.id}")
    created = execution.counts.created
    assert BATCH_ITEMS <= created < 450
    assert created == execution.counts.read == execution.progress.processed
    assert created == await row_count(database, "item") == await row_count(database, "item_git")
    assert created == len(logged)
    assert f"{created} of 450 items processed" in execution.exit_message

    rest = await bench.synchronize()
    assert rest.counts == Counts(read=450 - created, created=450 - created, unchanged=created)


async def test_a_branch_that_is_not_utf8_costs_nobody_anything(
    folder: FolderKind, bench: JobBench, database: Database
) -> None:
    """Its name is stored with question marks; the item and all the others are in."""
    odd, _ = put(folder, 7, 8)
    name = os.fsdecode(b"caf\xe9")
    odd.git("branch", "--move", name)
    assert (await bench.synchronize()).counts == Counts(read=2, created=2)
    (row,) = await rows(database, "SELECT branch FROM item_git WHERE bank_key = '7'")
    assert row[0] == "caf?"
    assert (await bench.migrate()).status is JobStatus.COMPLETED


async def test_a_default_branch_that_is_not_there_is_a_problem(
    folder: FolderKind, bench: JobBench, database: Database
) -> None:
    """For a new item and for a known one: the commits are there, only HEAD does not say where."""
    known, new = put(folder, 7, 8)
    new.git("symbolic-ref", "HEAD", "refs/heads/trunk")
    await bench.synchronize()
    known.git("symbolic-ref", "HEAD", "refs/heads/trunk")
    await bench.synchronize()
    found = await problems(database)
    assert [(key, kind) for key, kind, _ in found] == [
        ("7", "NO_DEFAULT_BRANCH"),
        ("8", "NO_DEFAULT_BRANCH"),
    ]
    assert await ids(database) == [7]
    for repository in (known, new):
        repository.git("symbolic-ref", "HEAD", "refs/heads/main")
    await bench.synchronize()
    assert await problems(database) == []
    assert await ids(database) == [7, 8]

"""The migration job, between a real bank and a real database."""

import asyncio

import pytest
from structlog.testing import capture_logs

from ingest.jobs.engine import Abandoned
from ingest.model.item import DERIVATION_VERSION
from ingest.model.job import Counts, EventName, JobStatus, Outcome, StopAsked, StopReason
from ingest.model.plan import PlannedCounts
from ingest.storage.database import Database
from ingest.storage.execution_queries import ExecutionQueries
from ingest.storage.executions import ExecutionStore
from ingest.storage.transitions import utc_now
from tests.support.bank_calls import threads_at_work
from tests.support.databases import change, row_count, rows, started, stored_items
from tests.support.documents import item_content
from tests.support.job_bench import ASK, JobBench, Links, ended
from tests.support.repositories import FolderKind

DEADLINE_S = 20

OUTDATE = "UPDATE item SET derivation_version = 0"


@pytest.fixture
async def synchronized(links: Links, bench: JobBench) -> JobBench:
    """A bank of 40 items, all of them stored."""
    links.put(40)
    await bench.synchronize()
    bench.bank.asked.clear()
    return bench


async def test_rows_of_today_are_left_alone(synchronized: JobBench) -> None:
    """Where nothing would change nothing is written, and the bank is only listed."""
    before = await stored_items(synchronized.database)
    log = await row_count(synchronized.database, "item_log")
    execution = await synchronized.migrate()
    assert execution.status is JobStatus.COMPLETED
    assert execution.exit_message == "Total item bank ids: 40, number of errors encountered: 0"
    assert execution.counts == Counts(unchanged=40)
    assert (execution.progress.processed, execution.progress.total) == (40, 40)
    assert synchronized.bank.asked == []
    assert await stored_items(synchronized.database) == before
    assert await row_count(synchronized.database, "item_log") == log


@pytest.mark.parametrize(
    "damage",
    [
        f"{OUTDATE} WHERE id % 4 = 1",
        "UPDATE item SET subject = 'spoilt' WHERE id % 4 = 1",
        "UPDATE item SET form_count = 99, classification = '' WHERE id % 4 = 1",
        "DELETE FROM item_keyword WHERE item_key IN (SELECT key FROM item WHERE id % 4 = 1)",
        "INSERT INTO item_form SELECT NULL, key, '', '', '', '', 0 FROM item WHERE id % 4 = 1",
        "INSERT INTO item_attachment SELECT NULL, key, 'asl', '!', NULL FROM item WHERE id % 4 = 1",
    ],
)
async def test_a_row_that_is_not_as_it_would_be_today_is_repaired(
    synchronized: JobBench, damage: str
) -> None:
    """Derived by older rules, or damaged in any table: a row is derived anew from its document."""
    before = await stored_items(synchronized.database)
    await change(synchronized.database, damage)
    assert await stored_items(synchronized.database) != before

    execution = await synchronized.migrate()
    assert execution.counts == Counts(updated=10, unchanged=30)
    assert await stored_items(synchronized.database) == before
    assert synchronized.bank.asked == []
    logged = f"SELECT 1 FROM item_log WHERE job_execution_id = {execution.id}"  # noqa: S608
    assert len(await rows(synchronized.database, logged)) == 10


async def test_what_the_bank_has_newer_is_read(
    folder: FolderKind, bench: JobBench, database: Database
) -> None:
    """Changed items and new ones come from the bank; those absent from it stay, and are derived."""
    for key in ("7", "8", "9"):
        folder.item(key).commit(item_content(key))
    await bench.synchronize()
    bench.bank.asked.clear()
    folder.remove("8")
    folder.remove("9")
    folder.item("9").commit(item_content("9", **{"core.metadata.subject": "Math"}))
    folder.item("10").commit(item_content("10"))
    await change(database, OUTDATE)

    execution = await bench.migrate()
    assert execution.exit_message == "Total item bank ids: 3, number of errors encountered: 0"
    assert execution.counts == Counts(read=2, created=1, updated=3)
    assert (execution.progress.processed, execution.progress.total) == (4, 4)
    assert bench.bank.asked == ["9", "10"]
    found = await rows(database, "SELECT id, subject, derivation_version FROM item ORDER BY id")
    assert [tuple(row) for row in found] == [
        (7, "ELA", DERIVATION_VERSION),
        (8, "ELA", DERIVATION_VERSION),
        (9, "Math", DERIVATION_VERSION),
        (10, "ELA", DERIVATION_VERSION),
    ]


async def test_bad_items_are_errors_and_keep_their_rows(
    folder: FolderKind, bench: JobBench, database: Database
) -> None:
    """In the bank or in the database: each is counted, and the progress comes to its end.

    What is damaged in the database alone is read from the bank again.
    """
    for key in ("7", "8"):
        folder.item(key).commit(item_content(key))
    folder.item("6")
    await bench.synchronize()
    folder.item("9").commit(b"no JSON")
    (folder.root / "10").mkdir()
    await change(database, "UPDATE item SET item_json = 'damaged' WHERE id = 8")

    stored = await bench.migrate(from_stored=True)
    assert stored.counts == Counts(unchanged=1, failed=1)
    assert await problems(database) == [("8", "NOT_JSON")]

    execution = await bench.migrate()
    assert execution.status is JobStatus.COMPLETED
    assert execution.exit_message == "Total item bank ids: 5, number of errors encountered: 2"
    assert execution.counts == Counts(read=2, updated=1, unchanged=1, failed=2)
    assert (execution.progress.processed, execution.progress.total) == (5, 5)
    assert await problems(database) == [("10", "NOT_A_REPOSITORY"), ("9", "NOT_JSON")]
    assert await row_count(database, "item") == 2
    assert (await bench.synchronize(is_dry_run=True)).planned == PlannedCounts()


async def problems(database: Database) -> list[tuple[str, str]]:
    """Return key and kind of each stored problem."""
    found = await rows(database, "SELECT bank_key, kind FROM ingest_problem ORDER BY bank_key")
    return [(row[0], row[1]) for row in found]


async def test_a_problem_that_was_mended_is_gone_after_a_migration(
    folder: FolderKind, bench: JobBench, database: Database
) -> None:
    """An item taken back to its stored revision is well again, whichever job looks first."""
    repository = folder.item("7")
    repository.commit(item_content(7))
    good = repository.git("rev-parse", "HEAD")
    await bench.synchronize()
    repository.commit(b"no JSON")
    await bench.synchronize()
    assert await problems(database) == [("7", "NOT_JSON")]
    repository.git("update-ref", "HEAD", good)
    await bench.migrate()
    assert await problems(database) == []


async def test_without_the_bank_no_row_is_touched(
    synchronized: JobBench, folder: FolderKind
) -> None:
    """A migration that cannot list the bank fails before it begins."""
    await change(synchronized.database, OUTDATE)
    before = await stored_items(synchronized.database)
    folder.go_away()
    execution = await synchronized.migrate()
    assert execution.status is JobStatus.FAILED
    assert execution.exit_message.startswith(f"The item bank {folder.root} cannot be read")
    assert execution.counts == Counts()
    assert await stored_items(synchronized.database) == before


async def test_from_what_is_stored_the_bank_is_not_asked(
    synchronized: JobBench, folder: FolderKind
) -> None:
    """Asked to go by the stored documents it needs no bank."""
    before = await stored_items(synchronized.database)
    await change(synchronized.database, OUTDATE)
    folder.go_away()
    execution = await synchronized.migrate(from_stored=True)
    assert execution.status is JobStatus.COMPLETED
    assert execution.exit_message == "Total item bank ids: 0, number of errors encountered: 0"
    assert execution.counts == Counts(updated=40)
    assert await stored_items(synchronized.database) == before


async def test_one_that_was_stopped_is_resumed(links: Links, bench: JobBench) -> None:
    """After a shutdown the next one goes on behind the last page, and the two do each item once."""
    links.put(450)
    await bench.synchronize()
    await change(bench.database, OUTDATE)
    bench.bank.halt_at_reading = 3  # the last page's
    running = await bench.begin_migration()
    async with asyncio.timeout(DEADLINE_S):
        await bench.bank.halted.wait()
        assert await bench.engine.drain(grace_s=DEADLINE_S, by="a test")
    stopped = await ended(running)
    assert (stopped.status, stopped.counts) == (JobStatus.STOPPED, Counts(updated=400))
    assert threads_at_work() == []

    after_restart = JobBench(bench.bank, bench.database)
    resumed = await after_restart.migrate()
    assert (resumed.status, resumed.counts) == (JobStatus.COMPLETED, Counts(updated=50))
    assert (resumed.progress.processed, resumed.progress.total) == (450, 450)
    history = await ExecutionQueries(bench.database).history(resumed.id)
    assert EventName.CHECKPOINT_RESUMED in {event.event for event in history}
    assert (await after_restart.migrate()).counts == Counts(unchanged=450)


@pytest.mark.parametrize(
    "checkpoint",
    [
        *("garbage", "", "{}", "[]", "7", "null"),
        *(f'{{"after":{one}}}' for one in ("null", '"7"', "true", "-1", "1e300", "9" * 20)),
    ],
)
async def test_a_checkpoint_that_cannot_be_read_is_none(
    synchronized: JobBench, checkpoint: str
) -> None:
    """Edited by hand: the migration says so, begins anew and completes, and so does the next."""
    database = synchronized.database
    await change(database, OUTDATE)
    store = ExecutionStore(database)
    writer = await started(database, job=1)
    await writer.write(lambda _: Counts(), checkpoint="{}")
    outcome = Outcome(JobStatus.STOPPED, "")
    asks = [StopAsked(utc_now(), ASK, StopReason.SHUTDOWN)]
    await store.end(writer.execution_id, lambda _: outcome, work_ended_at=utc_now(), asks=asks)
    text = checkpoint.replace(":", r"\:")
    await change(database, f"UPDATE batch_job_execution_context SET checkpoint = '{text}'")  # noqa: S608
    with capture_logs() as logs:
        anew = await synchronized.migrate()
    assert (anew.status, anew.counts) == (JobStatus.COMPLETED, Counts(updated=40))
    assert "checkpoint cannot be read, beginning anew" in {line["event"] for line in logs}
    assert (await synchronized.migrate()).counts == Counts(unchanged=40)


async def test_one_that_was_abandoned_begins_anew(links: Links, bench: JobBench) -> None:
    """What was given up on request is not resumed; what it wrote stands, and its counts tell it."""
    links.put(450)
    await bench.synchronize()
    await change(bench.database, OUTDATE)
    bench.bank.halt_at_reading = 2
    running = await bench.begin_migration()
    async with asyncio.timeout(DEADLINE_S):
        await bench.bank.halted.wait()
        result = await bench.engine.abandon(running.instance, ASK, wait_s=DEADLINE_S)
    assert isinstance(result, Abandoned)
    assert result.execution.counts == Counts(updated=200)
    assert "200 of 450 items processed" in result.execution.exit_message
    done = f"SELECT 1 FROM item WHERE derivation_version = {DERIVATION_VERSION}"  # noqa: S608
    assert len(await rows(bench.database, done)) == 200

    anew = await bench.migrate()
    assert anew.counts == Counts(updated=250, unchanged=200)
    history = await ExecutionQueries(bench.database).history(anew.id)
    assert EventName.CHECKPOINT_RESUMED not in {event.event for event in history}

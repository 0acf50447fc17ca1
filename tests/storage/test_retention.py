"""Which executions are forgotten, and what is left of them."""

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from types import MappingProxyType

import pytest
from sqlalchemy import Connection

from ingest.model.job import Ask, Counts, JobStatus, Outcome, StopAsked, StopReason
from ingest.model.plan import PlannedChange
from ingest.storage.check import check_database
from ingest.storage.database import Database
from ingest.storage.deletions import (
    Withheld,
    settle_withheld,
    unsettled_deletions,
    withhold_deletions,
)
from ingest.storage.executions import ExecutionStore
from ingest.storage.items import ItemWrite, save_items
from ingest.storage.plans import plan_changes
from ingest.storage.retention import PIECE_ROWS, forget_piece, forgettable
from ingest.storage.scans import begin_scan, end_scan, keep_cursor, last_cursor
from ingest.storage.transitions import utc_now
from ingest.storage.writer import ExecutionWriter
from tests.support.databases import ingested, row_count, rows

C, F, S, A = JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.STOPPED, JobStatus.ABANDONED

NONE: Mapping[str, str] = MappingProxyType({})
DRY: Mapping[str, str] = MappingProxyType({"dry-run": "true"})

#: Every table in which an execution leaves rows.
TABLES = (
    *("batch_job_execution", "batch_step_execution", "batch_job_execution_context"),
    *("batch_job_execution_progress", "batch_job_execution_event", "batch_job_execution_params"),
    *("bank_scan", "withheld_deletion", "planned_change"),
)


async def begin(
    database: Database, *, job: int = 0, parameters: Mapping[str, str] = NONE
) -> ExecutionWriter:
    """Put an execution on record, STARTED, with a complete listing and a checkpoint."""
    store = ExecutionStore(database)
    instance = (await store.instances())[job]
    begun = await store.start(
        instance, owner="me", ask=Ask("a test"), resumable=job == 1, parameters=parameters
    )
    await store.mark_started(begun.execution_id, step_name="step", checkpoint=begun.checkpoint)
    writer = ExecutionWriter(database, execution_id=begun.execution_id, owner="me")
    await writer.write(checkpoint='{"after": 1}')
    number = begun.execution_id
    await database.write(lambda c: begin_scan(c, execution_id=number))
    await database.write(lambda c: end_scan(c, execution_id=number, seen=1, complete=True))
    await database.write(lambda c: keep_cursor(c, execution_id=number, cursor="c"))
    return writer


async def finish(database: Database, writer: ExecutionWriter, status: JobStatus) -> int:
    """End an execution; return its id."""
    asks = [StopAsked(utc_now(), Ask("a test"), StopReason.REQUEST)] if status in {S, A} else []
    await ExecutionStore(database).end(
        writer.execution_id, lambda _: Outcome(status, ""), work_ended_at=utc_now(), asks=asks
    )
    return writer.execution_id


async def history(
    database: Database,
    statuses: Sequence[JobStatus],
    *,
    job: int = 0,
    parameters: Mapping[str, str] = NONE,
) -> list[int]:
    """Let one execution after the other end so; return their ids."""
    return [
        await finish(database, await begin(database, job=job, parameters=parameters), status)
        for status in statuses
    ]


async def forget(database: Database, retain: int) -> list[int]:
    """Forget what there is to forget; return which executions are left."""
    for number in await database.read(lambda c: forgettable(c, retain)):
        while not await database.write(partial(forget_piece, execution_id=number)):
            assert await faults(database) == []
        assert await faults(database) == []
    return await executions(database)


async def executions(database: Database) -> list[int]:
    """Return the executions on record."""
    return [
        row[0]
        for row in await rows(
            database, "SELECT job_execution_id FROM batch_job_execution ORDER BY 1"
        )
    ]


async def faults(database: Database) -> list[str]:
    """Return what is wrong with the database."""
    report = await asyncio.to_thread(check_database, database.path)
    return [str(one) for one in report.faults]


@pytest.mark.parametrize(
    ("statuses", "retain", "left"),
    [
        ([C, C, C, C], 2, [3, 4]),
        ([C, C], 2, [1, 2]),
        ([], 1, []),
        ([F], 1, [1]),
        # The last success, however long ago.
        ([C, C, F, A, F, F], 2, [2, 5, 6]),
        ([A, A, F, F], 1, [4]),
    ],
)
async def test_the_newest_and_the_last_success_are_kept(
    database: Database, statuses: list[JobStatus], retain: int, left: list[int]
) -> None:
    """So many ended ones of each job, and the last one that COMPLETED."""
    await history(database, statuses)
    assert await forget(database, retain) == left


async def test_each_job_has_its_own(database: Database) -> None:
    """Many executions of one job leave those of the other alone."""
    first = await history(database, [C, F], job=1)
    await history(database, [C] * 4)
    assert await forget(database, 2) == [*first, 5, 6]


async def test_what_runs_is_kept_and_does_not_count(database: Database) -> None:
    """Beside it there are as many ended ones as there are to be."""
    await history(database, [C, C, C])
    running = await begin(database)
    assert await forget(database, 1) == [3, running.execution_id]
    assert await database.write(lambda c: forget_piece(c, running.execution_id))
    assert await executions(database) == [3, running.execution_id]
    await running.write(lambda _: Counts())


async def test_a_dry_run_is_no_success(database: Database) -> None:
    """The last one that has written is kept, not the last that has planned."""
    (success,) = await history(database, [C])
    await history(database, [C, C, C], parameters=DRY)
    assert await forget(database, 1) == [success, 4]


async def test_what_was_resumed_from_is_kept_with_what_resumed(database: Database) -> None:
    """A history in which something resumed from nothing would be unsound."""
    await history(database, [C, A, S, S, F, C, C], job=1)
    assert await forget(database, 7) == [1, 2, 3, 4, 5, 6, 7]
    # 6 has resumed from 5, that from 4, that from 3; and 3 began anew.
    assert await forget(database, 2) == [3, 4, 5, 6, 7]
    assert await forget(database, 1) == [7]


async def test_the_listing_to_go_on_from_is_kept(database: Database) -> None:
    """The last complete one, although its execution FAILED long ago."""
    await history(database, [F, F])
    store = ExecutionStore(database)
    (instance, _) = await store.instances()
    for _ in range(3):
        begun = await store.start(instance, owner="me", ask=Ask("a test"), resumable=False)
        await store.end(
            begun.execution_id, lambda _: Outcome(F, ""), work_ended_at=utc_now(), asks=[]
        )
    assert await forget(database, 1) == [2, 5]
    assert await database.read(last_cursor) == "c"


async def test_withheld_deletions_wait_for_their_word(database: Database) -> None:
    """Whose are not settled is kept; settled they stay when what has settled them is forgotten."""
    withheld = Withheld(missing=9, stored=9, allowed=1)
    one = await begin(database)
    await database.write(lambda c: withhold_deletions(c, one.execution_id, withheld))
    await finish(database, one, F)
    await history(database, [A, A, A])
    assert await forget(database, 1) == [1, 4]
    settling = await begin(database)
    await database.write(lambda c: settle_withheld(c, settling.execution_id))
    await finish(database, settling, C)
    assert await forget(database, 2) == [4, 5]


async def test_what_has_settled_deletions_can_be_forgotten_first(database: Database) -> None:
    """What was settled is not withheld again by that."""
    withheld = Withheld(missing=9, stored=9, allowed=1)
    one = await begin(database)
    await database.write(lambda c: withhold_deletions(c, one.execution_id, withheld))
    await finish(database, one, F)
    settling = await begin(database)
    await database.write(lambda c: settle_withheld(c, settling.execution_id))
    await finish(database, settling, C)
    assert await database.write(lambda c: forget_piece(c, settling.execution_id))
    assert await executions(database) == [one.execution_id]
    assert await database.read(unsettled_deletions) is None
    assert await faults(database) == []


async def test_all_that_belongs_to_it_goes_with_it(database: Database) -> None:
    """No row of it is left in any table, and ids go on counting."""
    dry = await begin(database, parameters=DRY)
    many = dict.fromkeys(range(1, 2 * PIECE_ROWS + 2), PlannedChange.CREATED)
    await database.write(lambda c: plan_changes(c, dry.execution_id, many))
    await finish(database, dry, C)
    await history(database, [F])
    assert await forget(database, 1) == [2]
    for table in TABLES:
        found = await rows(database, f"SELECT DISTINCT job_execution_id FROM {table}")  # noqa: S608
        assert [row[0] for row in found] in ([], [2]), table
    assert await history(database, [C]) == [3]
    assert await forget(database, 1) == [3]
    while not await database.write(lambda c: forget_piece(c, 3)):
        pass
    assert await history(database, [C]) == [4]


async def test_the_log_of_items_stays(database: Database) -> None:
    """Every line of it, naming no execution any more; so do the items."""
    items = PIECE_ROWS + 10
    writer = await begin(database)

    def write(connection: Connection) -> Counts:
        every = range(1, items + 1)
        writes = [ItemWrite(ingested=ingested(one), replaces=None) for one in every]
        return save_items(connection, writes, execution_id=writer.execution_id).counts

    await writer.write(write, processed=items, total=items)
    await finish(database, writer, C)
    await history(database, [C])
    assert await row_count(database, "item_log") == items
    assert await forget(database, 1) == [2]
    found = await rows(database, "SELECT job_execution_id, count(*) FROM item_log GROUP BY 1")
    assert [tuple(row) for row in found] == [(None, items)]
    assert await row_count(database, "item") == items


async def test_pieces_are_small(database: Database) -> None:
    """However much there is to forget, a transaction writes no more rows than a piece has."""
    dry = await begin(database, parameters=DRY)
    many = dict.fromkeys(range(1, 2 * PIECE_ROWS + 1), PlannedChange.CREATED)
    await database.write(lambda c: plan_changes(c, dry.execution_id, many))
    await finish(database, dry, C)
    left = []
    while not await database.write(lambda c: forget_piece(c, dry.execution_id)):
        left.append(await row_count(database, "planned_change"))
    assert left == [PIECE_ROWS, 0]

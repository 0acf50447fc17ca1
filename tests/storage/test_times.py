"""Times that somebody has edited by hand: read as far as they can be, and no hindrance."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer
from sqlalchemy import select

from ingest.app import create_app
from ingest.model.job import Ask, JobStatus, Outcome, StopAsked, StopReason
from ingest.settings import Settings
from ingest.storage.check import check_database
from ingest.storage.database import Database
from ingest.storage.executions import ExecutionStore
from ingest.storage.table_parts import UNREADABLE_TIME, UtcDateTime
from ingest.storage.tables import job_execution, metadata
from tests.support.databases import change, started
from tests.support.service import Client, get

MOMENT = datetime(2026, 1, 31, 12, 30, tzinfo=UTC)

#: What an editor may leave, and what it is read as.
FORMS: dict[str, datetime] = {
    "'2026-01-31 12:30:00.000000'": MOMENT,
    "'2026-01-31 12:30:00'": MOMENT,
    "'2026-01-31 12:30'": MOMENT,
    "'2026-01-31T12:30:00Z'": MOMENT,
    "'2026-01-31T12:30:00.000000'": MOMENT,
    "'2026-01-31T12:30:00.000Z'": MOMENT,
    "'2026-01-31 14:30:00+02:00'": MOMENT,
    "'20260131T123000Z'": MOMENT,
    "'2026-01-31'": MOMENT.replace(hour=0, minute=0),
    "1769862600": MOMENT,
    "1769862600.25": MOMENT + timedelta(seconds=0.25),
    "0": datetime(1970, 1, 1, tzinfo=UTC),
    "-1": datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC),
    "'garbage'": UNREADABLE_TIME,
    "'garbage of twenty-six char'": UNREADABLE_TIME,
    "''": UNREADABLE_TIME,
    "'2026-02-30 12:30:00.000000'": UNREADABLE_TIME,
    "'0001-01-01T00:00:00+14:00'": UNREADABLE_TIME,
    "'10000-01-01 00:00:00.000000'": UNREADABLE_TIME,
    "9223372036854775807": UNREADABLE_TIME,
    "1e300": UNREADABLE_TIME,
    "9e999": UNREADABLE_TIME,
    "x'32303236'": UNREADABLE_TIME,
}
#: Forms for the whole service: one of each way through.
EDITS = ("'garbage'", "1700000000", "''", "'2026-01-31T12:30:00Z'", "9e999", "x'00'")

COLUMNS = [
    (table.name, column.name)
    for table in metadata.sorted_tables
    if table.name.startswith("batch_") or table.name == "bank_scan"
    for column in table.columns
    if isinstance(column.type, UtcDateTime)
]


@pytest.mark.parametrize(("form", "moment"), FORMS.items())
async def test_every_form_is_read(database: Database, form: str, moment: datetime) -> None:
    """What can be read is; anything else is the year 1, and nothing raises."""
    await started(database)
    await change(database, f"UPDATE batch_job_execution SET create_time = {form}")  # noqa: S608
    query = select(job_execution.c.create_time)
    assert await database.read(lambda c: c.execute(query).scalar_one()) == moment


async def _edited(path: Path, table: str, column: str, form: str) -> None:
    """Leave a running and an ended execution, and edit a time of both."""
    database = Database(path)
    store = ExecutionStore(database)
    writer = await started(database)
    asks = [StopAsked(MOMENT, Ask("Ada"), StopReason.REQUEST)]
    outcome = Outcome(JobStatus.ABANDONED, "")
    await store.end(writer.execution_id, lambda _: outcome, work_ended_at=MOMENT, asks=asks)
    await started(database, job=1)
    await change(
        database,
        "INSERT INTO bank_scan (job_execution_id, started, finished)"
        " SELECT job_execution_id, create_time, create_time FROM batch_job_execution",
    )
    await change(database, f"UPDATE {table} SET {column} = {form}")  # noqa: S608
    await database.close()


@asynccontextmanager
async def _client(settings: Settings) -> AsyncIterator[Client]:
    async with TestClient(TestServer(create_app(settings))) as client:
        yield client


def _status(path: Path, execution_id: int) -> Any:
    with closing(sqlite3.connect(path)) as connection:
        query = f"SELECT status FROM batch_job_execution WHERE job_execution_id = {execution_id}"  # noqa: S608
        return connection.execute(query).fetchone()[0]


@pytest.mark.parametrize("form", EDITS)
@pytest.mark.parametrize(("table", "column"), COLUMNS)
async def test_no_edited_time_keeps_the_service(
    settings: Settings, table: str, column: str, form: str
) -> None:
    """The checker names it; the service starts, ends what was running, and shows everything."""
    path = settings.database.path
    await _edited(path, table, column, form)
    found = [one for one in check_database(path).faults if one.check == "times can be read"]
    rows = [f"{one.id} {one.wrong}" for one in found]
    assert rows
    assert all(f" of {table} has " in row and f" in {column}, " in row for row in rows)
    async with _client(settings) as client:
        assert _status(path, 2) == "FAILED"
        assert len((await get(client, "/executions"))["executions"]) == 2
        for place in ("/jobs", "/health", "/executions/1", "/executions/2/history"):
            assert await get(client, place)
        assert (await client.post("/migrate")).status == 200


async def test_the_times_that_the_service_writes_are_no_finding(database: Database) -> None:
    """Nor are times at the edges of what there is."""
    await started(database)
    for form in ("0001-01-01 00:00:00.000000", "9999-12-31 23:59:59.999999"):
        await change(database, f"UPDATE batch_job_execution_event SET at = '{form}'")  # noqa: S608
        checked = {one.check for one in check_database(database.path).faults}
        assert "times can be read" not in checked

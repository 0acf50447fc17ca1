"""Job instances that somebody has deleted or changed by hand."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from pytest_aiohttp import AiohttpClient
from structlog.testing import capture_logs

from ingest.app import create_app
from ingest.errors import DatabaseVersionError
from ingest.settings import Settings
from ingest.storage.check import check_database
from ingest.storage.database import Database
from ingest.storage.executions import ExecutionStore
from tests.support.databases import row_count, started
from tests.support.service import ended, get


def edit(path: Path, *statements: str) -> None:
    """Change a database as a person with sqlite3 would, without foreign keys."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


@pytest.mark.parametrize("where", ["job_instance_id = 1", "job_instance_id = 2", "1"])
async def test_what_is_missing_is_put_back(database: Database, where: str) -> None:
    """Each instance with its own id, name and key, and a warning for each."""
    before = await ExecutionStore(database).instances()
    edit(database.path, f"DELETE FROM batch_job_instance WHERE {where}")  # noqa: S608
    with capture_logs() as logs:
        assert await ExecutionStore(database).instances() == before
        assert await ExecutionStore(database).instances() == before
    assert {line["log_level"] for line in logs} == {"warning"}
    assert len(logs) == (2 if where == "1" else 1)
    assert check_database(database.path).findings == ()


async def test_the_service_starts_without_an_instance(
    settings: Settings, aiohttp_client: AiohttpClient
) -> None:
    """An execution that was running is ended, those of before show again, and the job starts."""
    path = settings.database.path
    database = Database(path)
    await started(database, job=1)
    await database.close()
    edit(path, "DELETE FROM batch_job_instance WHERE job_instance_id = 2")
    client = await aiohttp_client(create_app(settings))
    (shown,) = (await get(client, "/executions"))["executions"]
    assert (shown["status"], shown["name"]) == ("FAILED", "itemMigrationJob")
    assert (await client.post("/migrate")).status == 200
    assert (await ended(client, 2))["jobInstanceId"] == 2


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("SET job_name = 'x' WHERE job_instance_id = 2", "2 is x and itemMigrationJob missing"),
        ("SET job_instance_id = 7 WHERE job_instance_id = 2", "2 is missing and itemMigrationJob"),
        ("SET job_name = 'x' || job_name", "1 is xitemSynchronizationJob"),
    ],
)
async def test_what_cannot_be_put_back_ends_the_start(
    database: Database, statement: str, said: str
) -> None:
    """Where the id or the name is another's, a person has to look; nothing is changed."""
    edit(database.path, f"UPDATE batch_job_instance {statement}")
    with pytest.raises(DatabaseVersionError, match=rf"changed by hand: .*{said}.*sqlite3"):
        await ExecutionStore(database).instances()
    assert await row_count(database, "batch_job_instance") == 2

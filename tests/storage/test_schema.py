"""The schema: made by migrations, described by the tables, read by runbooks."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine
from sqlalchemy.exc import IntegrityError

from ingest.errors import DatabaseVersionError
from ingest.model.job import Ask, JobStatus
from ingest.storage.database import Database
from ingest.storage.executions import ExecutionStore
from ingest.storage.schema import NEWEST, upgrade
from ingest.storage.tables import metadata
from tests.support.databases import change, rows, started

RUNBOOK = (
    "select job_execution_id, job_instance_id, start_time, end_time, status, exit_message "
    "from batch_job_execution order by start_time desc"
)


async def test_migrations_and_tables_agree(database: Database) -> None:
    """What the migrations make is what the tables say, but for the full-text index."""

    def is_ours(_thing: Any, name: str | None, kind: str, *_: Any) -> bool:
        return not (kind == "table" and str(name).startswith("item_keyword_fts"))

    def differences(connection: Connection) -> list[Any]:
        context = MigrationContext.configure(connection, opts={"include_object": is_ours})
        return list(compare_metadata(context, metadata))

    assert await database.read(differences) == []


async def test_migrations_and_tables_agree_on_every_column(database: Database) -> None:
    """Names, types, nullability and defaults of the columns are the same to SQLite itself."""

    def columns(connection: Connection) -> dict[str, list[tuple[Any, ...]]]:
        return {
            name: sorted(
                tuple(row[1:]) for row in connection.exec_driver_sql(f"PRAGMA table_info({name})")
            )
            for name in metadata.tables
        }

    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        metadata.create_all(connection)
        described = columns(connection)
    engine.dispose()
    assert await database.read(columns) == described


def test_newest_is_the_head_of_the_migrations() -> None:
    """The version that is named for a quick start is the one that Alembic would go to."""
    config = Config()
    config.set_main_option("script_location", "ingest.storage:migrations")
    config.set_main_option("path_separator", "os")
    assert ScriptDirectory.from_config(config).get_current_head() == NEWEST


async def test_upgrading_again_changes_nothing(database: Database) -> None:
    """A database that is up to date is left as it is."""
    before = await rows(database, "SELECT sql FROM sqlite_schema")
    await upgrade(database)
    assert await rows(database, "SELECT sql FROM sqlite_schema") == before


async def test_a_newer_version_is_refused(database: Database) -> None:
    """A database of a newer service is named as such, and stays as it is."""
    await change(database, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(DatabaseVersionError, match="newer version of the service"):
        await upgrade(database)
    (row,) = await rows(database, "SELECT version_num FROM alembic_version")
    assert row[0] == "9999"


async def test_a_database_of_something_else_is_refused(tmp_path: Path) -> None:
    """Tables that are not ours are named, and not a byte of the file is changed."""
    path = tmp_path / "other.db"
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE recipe (name TEXT)")
    before = path.read_bytes()
    database = Database(path)
    with pytest.raises(DatabaseVersionError, match="recipe"):
        await upgrade(database)
    await database.close()
    assert path.read_bytes() == before


async def test_the_runbooks_sql_works_while_the_database_is_open(database: Database) -> None:
    """A person with sqlite3 sees the executions, newest first, while the service runs."""
    first = await started(database)
    await started(database, job=1)

    def look() -> list[Any]:
        with closing(sqlite3.connect(database.path)) as person:
            return person.execute(RUNBOOK).fetchall()

    found = await asyncio.to_thread(look)
    assert [row[1] for row in found] == [2, 1]
    assert found[1][0] == first.execution_id
    assert [(row[3], row[4], row[5]) for row in found] == [(None, "STARTED", "")] * 2


async def test_there_are_two_job_instances_with_the_key_of_no_parameters(
    database: Database,
) -> None:
    """Both jobs are there from the start, with the ids and the key that scripts know."""
    found = await rows(
        database, "SELECT job_instance_id, job_name, job_key FROM batch_job_instance ORDER BY 1"
    )
    assert [tuple(row) for row in found] == [
        (1, "itemSynchronizationJob", "d41d8cd98f00b204e9800998ecf8427e"),
        (2, "itemMigrationJob", "d41d8cd98f00b204e9800998ecf8427e"),
    ]


async def test_the_database_itself_refuses_a_second_running_execution(database: Database) -> None:
    """Of an instance's rows one may be running, in any of three statuses; ended ones pile up."""
    await started(database)
    copy = (
        "INSERT INTO batch_job_execution"
        " (job_instance_id, create_time, status, exit_code, last_updated)"
        " SELECT 1, create_time, '{}', 'STOPPED', last_updated FROM batch_job_execution LIMIT 1"
    )
    for status in ("STARTING", "STARTED", "STOPPING"):
        with pytest.raises(IntegrityError, match="UNIQUE"):
            await change(database, copy.format(status))
    for status in ("COMPLETED", "FAILED", "STOPPED", "ABANDONED"):
        await change(database, copy.format(status))


async def test_a_step_is_never_abandoned(database: Database) -> None:
    """The database refuses the step status that makes Spring Batch skip every later run."""
    await started(database)
    with pytest.raises(IntegrityError, match="CHECK"):
        await change(database, "UPDATE batch_step_execution SET status = 'ABANDONED'")


async def test_ids_are_never_given_twice(database: Database) -> None:
    """The id of an execution that was cleared away does not come back for another one."""
    store = ExecutionStore(database)
    instance, _ = await store.instances()
    begun = await store.start(instance, owner="me", ask=Ask("a test"), resumable=False)
    await change(database, "DELETE FROM batch_job_execution_event")
    await change(database, "DELETE FROM batch_job_execution")
    again = await store.start(instance, owner="me", ask=Ask("a test"), resumable=False)
    assert again.execution_id == begun.execution_id + 1
    assert JobStatus.STARTING in (await rows(database, RUNBOOK))[0]

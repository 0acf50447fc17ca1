"""One writer, many readers, and no transaction that is cut in the middle."""

import asyncio
import sqlite3
import threading
from pathlib import Path

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError

from ingest.errors import DatabaseUnavailableError
from ingest.storage.database import Database
from tests.support.databases import change, row_count, rows

DEADLINE_S = 10

PROBLEM = (
    "INSERT INTO ingest_problem (bank_key, path, kind, message, derivation_version, attempts,"
    " first_at, last_at) VALUES ('{}', '', '', '', 1, 1, '', '')"
)


def add_problem(connection: Connection, key: object) -> None:
    """Insert one row."""
    connection.execute(text(PROBLEM.format(key)))


async def test_a_database_is_opened_so_that_commits_last(database: Database) -> None:
    """The log is written ahead, commits are synced, references are checked."""

    def pragmas(connection: Connection) -> list[object]:
        names = ("journal_mode", "synchronous", "foreign_keys", "query_only")
        return [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in names]

    assert await database.write(pragmas) == ["wal", 2, 1, 0]
    assert await database.read(pragmas) == ["wal", 2, 1, 1]


async def test_there_is_one_writer_at_a_time(database: Database) -> None:
    """Of writes that look before they write, each sees what the one before it has written."""

    def add_one_more(connection: Connection) -> None:
        found = connection.execute(text("SELECT count(*) FROM ingest_problem")).scalar_one()
        add_problem(connection, found)

    await asyncio.gather(*(database.write(add_one_more) for _ in range(20)))
    assert await row_count(database, "ingest_problem") == 20


async def test_reads_go_on_beside_a_write(database: Database) -> None:
    """A reader neither waits for the writer nor sees what is not committed."""
    loop = asyncio.get_running_loop()
    reading: list[asyncio.Task[int]] = []

    def work(connection: Connection) -> None:
        add_problem(connection, 7)
        reading.append(loop.create_task(row_count(database, "ingest_problem")))
        for _ in range(50):  # the loop goes round while the driver works
            connection.execute(text("SELECT 1"))

    async with asyncio.timeout(DEADLINE_S):
        await database.write(work)
        before = await reading[0]
    assert before in {0, 1}
    assert await row_count(database, "ingest_problem") == 1


async def test_a_reader_cannot_write(database: Database) -> None:
    """What is called a read cannot change anything."""
    with pytest.raises(DatabaseUnavailableError, match="readonly"):
        await database.read(lambda connection: add_problem(connection, 7))


async def test_references_are_checked(database: Database) -> None:
    """A row that refers to none is refused, by the error that tells a refusal from an outage."""
    with pytest.raises(IntegrityError):
        await change(database, "INSERT INTO item_keyword VALUES (1, 99, 'section', 'content')")


async def test_whatever_the_work_raises_rolls_everything_back(database: Database) -> None:
    """Nothing stays of a transaction that failed, and the next one is not hindered."""

    def fail(connection: Connection) -> None:
        add_problem(connection, 7)
        raise KeyError(7)

    with pytest.raises(KeyError):
        await database.write(fail)
    assert await row_count(database, "ingest_problem") == 0
    await database.write(lambda connection: add_problem(connection, 8))
    assert await row_count(database, "ingest_problem") == 1


async def test_a_cancelled_caller_leaves_its_transaction_whole(database: Database) -> None:
    """A transaction that has begun is committed to its end, and only then the caller is told."""
    begun = asyncio.Event()

    def work(connection: Connection) -> None:
        for key in range(3):
            add_problem(connection, key)
            begun.set()

    writing = asyncio.create_task(database.write(work))
    async with asyncio.timeout(DEADLINE_S):
        await begun.wait()
        writing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await writing
    assert await row_count(database, "ingest_problem") == 3


async def test_a_write_cancelled_at_any_point_is_whole_or_not_at_all(database: Database) -> None:
    """Wherever the cancellation falls, also before the first step: all the rows or none."""

    def work(connection: Connection) -> None:
        for key in range(3):
            add_problem(connection, key)

    for turns in range(25):
        writing = asyncio.create_task(database.write(work))
        for _ in range(turns):
            await asyncio.sleep(0)
        writing.cancel()
        await asyncio.wait({writing})
        found = await row_count(database, "ingest_problem")
        assert found in ({0} if turns == 0 else {3})
        await change(database, "DELETE FROM ingest_problem")


async def test_a_busy_database_is_unavailable(database: Database) -> None:
    """Somebody else's lock makes a write fail in bounded time, without its parameters' values."""
    other = sqlite3.connect(database.path)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(DatabaseUnavailableError) as caught:
        await database.write(lambda connection: add_problem(connection, 7))
    other.close()
    assert str(caught.value).endswith(f"{database.path} cannot be used: database is locked")
    await database.write(lambda connection: add_problem(connection, 7))
    assert await row_count(database, "ingest_problem") == 1


async def test_a_file_that_is_no_database_is_unavailable(tmp_path: Path) -> None:
    """The message names the file."""
    path = tmp_path / "notes.txt"
    path.write_text("no database, but a text of some length" * 100)
    database = Database(path)
    with pytest.raises(DatabaseUnavailableError, match=r"notes\.txt .* not a database"):
        await rows(database, "SELECT 1")
    await database.close()


async def test_closing_waits_for_the_write_and_ends_the_threads(tmp_path: Path) -> None:
    """After close() no thread of the database keeps the process alive, and no write is lost."""
    before = set(threading.enumerate())
    database = Database(tmp_path / "ingest.db")
    await change(
        database,
        "CREATE TABLE ingest_problem (bank_key TEXT, path TEXT, kind TEXT,"
        " message TEXT, derivation_version INT, attempts INT, first_at, last_at)",
    )
    assert await row_count(database, "ingest_problem") == 0
    begun = asyncio.Event()

    def work(connection: Connection) -> None:
        begun.set()
        add_problem(connection, 7)

    writing = asyncio.create_task(database.write(work))
    async with asyncio.timeout(DEADLINE_S):
        await begun.wait()
        await database.close()
        await writing
    for thread in set(threading.enumerate()) - before:
        thread.join(DEADLINE_S)
        assert not thread.is_alive()
    other = sqlite3.connect(tmp_path / "ingest.db")
    assert other.execute("SELECT bank_key FROM ingest_problem").fetchall() == [("7",)]
    other.close()


@pytest.mark.parametrize("taken", ["", "-wal"])
async def test_a_file_that_was_removed_is_not_written_to(database: Database, taken: str) -> None:
    """What would be written to a file without a name is lost: it is refused, and says so."""
    await database.write(lambda connection: add_problem(connection, 1))
    database.check_in_place()
    database.path.with_name(database.path.name + taken).unlink()
    with pytest.raises(DatabaseUnavailableError, match="was removed while the service runs"):
        await database.write(lambda connection: add_problem(connection, 2))
    with pytest.raises(DatabaseUnavailableError):
        database.check_in_place()


async def test_a_file_that_was_replaced_is_not_written_to(database: Database) -> None:
    """Also for another file under its name; to put the old one back is for a restart."""
    await database.write(lambda connection: add_problem(connection, 1))
    database.path.rename(database.path.with_name("aside"))
    database.path.touch()
    with pytest.raises(DatabaseUnavailableError, match="was replaced by another file"):
        await database.write(lambda connection: add_problem(connection, 2))


async def test_a_file_that_goes_away_in_mid_write_is_told_of(database: Database) -> None:
    """A commit is only told as one while the file it went to is still there."""
    await database.write(lambda connection: add_problem(connection, 1))

    def work(connection: Connection) -> None:
        add_problem(connection, 2)
        database.path.unlink()

    with pytest.raises(DatabaseUnavailableError, match="was removed"):
        await database.write(work)

"""A database that refuses what it is asked to write."""

import asyncio
import sqlite3

from sqlalchemy import Connection, event
from sqlalchemy.exc import OperationalError

from ingest.storage.database import Database
from tests.support.service import DEADLINE_S


class Refusals:
    """Counts the transactions that were refused, and tells of each."""

    def __init__(self, database: Database) -> None:
        self.seen = 0
        self._one_more = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        event.listen(database._writer.engine, "handle_error", self._refused)

    def _refused(self, _context: object) -> None:
        self.seen += 1
        self._loop.call_soon_threadsafe(self._one_more.set)

    async def wait_for(self, number: int) -> None:
        """Wait until so many were refused."""
        async with asyncio.timeout(DEADLINE_S):
            while self.seen < number:
                self._one_more.clear()
                await self._one_more.wait()


def fail_after(database: Database, *, commits: int) -> None:
    """Answer the next commit with an error, before or after it was carried out."""
    engine = database._writer.engine

    def fail(connection: Connection) -> None:
        event.remove(engine, "commit", fail)
        if commits:
            connection.exec_driver_sql("COMMIT")
        raise _full()

    event.listen(engine, "commit", fail)


def refuse_commits(database: Database, *, times: int) -> list[int]:
    """Answer the next so many commits with an error; none of them is carried out.

    Returns:
        A list that has as many entries as refusals are left.
    """
    left = list(range(times))

    def refuse(_: Connection) -> None:
        if left:
            left.pop()
            raise _full()

    event.listen(database._writer.engine, "commit", refuse)
    return left


def _full() -> OperationalError:
    error = sqlite3.OperationalError("database or disk is full")
    error.sqlite_errorcode = sqlite3.SQLITE_FULL
    return OperationalError("COMMIT", None, error)

"""The database as a command opens it beside the service that may own it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from ingest.storage.database import Database
from ingest.storage.lock import DatabaseLock
from ingest.storage.schema import is_newest, upgrade


@asynccontextmanager
async def open_beside(path: Path, *, busy_timeout_s: float) -> AsyncIterator[Database]:
    """Open a database for short transactions, whether or not a service runs on it.

    Where its schema is not the newest it is brought up to it, or made, for which nobody else may
    own it meanwhile.

    Raises:
        DatabaseInUseError: It is to be upgraded, and its owner is of an earlier version.
        DatabaseVersionError: It is of a newer version, or not one of ours.
        DatabaseUnavailableError: It cannot be read or written.
    """
    database = Database(path, busy_timeout_s=busy_timeout_s)
    try:
        if not (_is_there(path) and await is_newest(database)):
            lock = DatabaseLock(path)
            await lock.acquire()
            try:
                await upgrade(database)
            finally:
                lock.release()
        yield database
    finally:
        await database.close()


def _is_there(path: Path) -> bool:
    return path.exists()

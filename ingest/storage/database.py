"""One SQLite file: many readers, one writer, and no call that is cut in the middle."""

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Protocol, TypeAlias, TypeVar

from sqlalchemy import Connection, Row
from sqlalchemy.exc import DBAPIError, IntegrityError

from ingest.aio import finish
from ingest.errors import DatabaseUnavailableError
from ingest.storage.connection import SqliteConnection

T = TypeVar("T")

#: A row of any columns, reached by their names.
AnyRow: TypeAlias = Row[*tuple[Any, ...]]

#: How many looks into the database go on side by side.
READERS: Final = 4

#: SQLite's primary result codes for what may be over at the next try.
_PASSING: Final = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_INTERRUPT,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_READONLY,
    }
)
#: After these a connection may go on failing though the cause is gone: it is made anew.
_SPOILING: Final = frozenset(
    {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY}
)


class Transactions(Protocol):
    """What runs transactions: `Database`, or something that is more patient with it."""

    async def read(self, query: Callable[[Connection], T]) -> T:
        """See `Database.read`."""

    async def write(self, work: Callable[[Connection], T]) -> T:
        """See `Database.write`."""


class Database:
    """The database file and the connections to it.

    What runs in it is written as plain functions over a SQLAlchemy connection, one call a
    transaction, which is run in a thread. A call that has begun always runs to its end: a caller
    that is cancelled learns of it afterwards. So no transaction is ever left half known.

    Args:
        path: The file; SQLite makes it where it is missing.
        busy_timeout_s: How long a statement waits for somebody else's lock.
    """

    def __init__(self, path: Path, *, busy_timeout_s: float = 5.0) -> None:
        self.path = path
        pragmas = (
            f"busy_timeout = {int(busy_timeout_s * 1000)}",
            "foreign_keys = ON",
            # In WAL mode FULL is what makes a commit survive a power cut.
            "synchronous = FULL",
        )
        # Switching to WAL writes, so it is left to the writer, which opens the file first.
        self._writer = SqliteConnection(
            path, pragmas=(*pragmas, "journal_mode = WAL"), begin="BEGIN IMMEDIATE"
        )
        self._log = path.with_name(f"{path.name}-wal")
        self._has_log = False
        self._identity: tuple[int, int] | None = None
        #: What was taken away; nothing that happens later makes it good.
        self._gone: str | None = None
        # asyncio's lock is fair: writers come in the order in which they asked.
        self._turn = asyncio.Lock()
        # The one used last comes first, so that no more are opened than are needed.
        self._readers: asyncio.LifoQueue[SqliteConnection] = asyncio.LifoQueue()
        for _ in range(READERS):
            self._readers.put_nowait(
                SqliteConnection(path, pragmas=(*pragmas, "query_only = ON"), begin="BEGIN")
            )

    async def read(self, query: Callable[[Connection], T]) -> T:
        """Run *query* on one consistent state of the database.

        Raises:
            DatabaseUnavailableError: The file cannot be read now.
        """
        return await finish(self._read(query))

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Run *work* as the only writer; on return it is committed and synced to disk.

        Whatever *work* raises rolls everything back.

        Raises:
            DatabaseUnavailableError: Locked for longer than the busy time-out, full, read-only.
            sqlalchemy.exc.IntegrityError: A constraint of the schema refused.
        """
        return await finish(self._write(work))

    async def close(self) -> None:
        """Close every connection. Without this their threads keep the process alive."""
        async with self._turn:
            await self._writer.close()
            self._has_log = False
        readers = [await self._readers.get() for _ in range(READERS)]
        for reader in readers:
            await reader.close()
            self._readers.put_nowait(reader)

    async def _read(self, query: Callable[[Connection], T]) -> T:
        reader = await self._readers.get()
        try:
            return await self._run(reader, query)
        finally:
            self._readers.put_nowait(reader)

    def check_in_place(self) -> None:
        """Return if the file that is open is the one at `path`, with its log beside it.

        Raises:
            DatabaseUnavailableError: It was removed or replaced: what is written now goes nowhere.
        """
        if self._gone is None:
            self._gone = self._missing()
        if self._gone is not None:
            raise DatabaseUnavailableError(
                f"{self._gone} while the service runs: what it writes now would be lost. Stop the "
                "service, put the database back from a backup if it is gone, and start again"
            )

    def _missing(self) -> str | None:
        """Say what of the database was taken away, as far as it has been open."""
        if self._identity is None:
            return None
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return f"The database {self.path} was removed"
        if (found.st_dev, found.st_ino) != self._identity:
            return f"The database {self.path} was replaced by another file"
        if self._has_log and not self._log.exists():
            return f"The log {self._log} was removed"
        return None

    async def _write(self, work: Callable[[Connection], T]) -> T:
        async with self._turn:
            self.check_in_place()
            result = await self._run(self._writer, work)
            if self._identity is None:
                found = self.path.stat()
                self._identity = (found.st_dev, found.st_ino)
            self._has_log = self._has_log or self._log.exists()
            self.check_in_place()
            return result

    async def _run(self, connection: SqliteConnection, work: Callable[[Connection], T]) -> T:
        try:
            return await connection.run(work)
        except IntegrityError:
            raise
        except DBAPIError as error:
            # The low byte is the primary code. Where there is none, it was not SQLite's fault.
            code = getattr(error.orig, "sqlite_errorcode", None)
            primary = None if code is None else code & 0xFF
            if primary in _SPOILING:
                await connection.close()
                self._has_log = False  # the last connection that closes takes it along
            # The driver's own words alone: SQLAlchemy's put the parameters into logs and rows.
            raise DatabaseUnavailableError(
                f"The database {self.path} cannot be used: {error.orig}",
                is_passing=primary in _PASSING,
            ) from error

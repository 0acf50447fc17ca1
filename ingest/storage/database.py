"""One SQLite file: many readers, one writer, and no call that is cut in the middle."""

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Protocol, TypeAlias, TypeVar

import structlog
from sqlalchemy import URL, Connection, Row, event
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from ingest.aio import finish
from ingest.errors import DatabaseUnavailableError

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

_log = structlog.get_logger(__name__)


class Transactions(Protocol):
    """What runs transactions: `Database`, or something that is more patient with it."""

    async def read(self, query: Callable[[Connection], T]) -> T:
        """See `Database.read`."""

    async def write(self, work: Callable[[Connection], T]) -> T:
        """See `Database.write`."""


class Database:
    """The database file and the connections to it.

    What runs in it is written as plain functions over a SQLAlchemy connection, one call a
    transaction. A call that has begun always runs to its end: a caller that is cancelled learns
    of it afterwards. So no transaction is ever left half known.

    Args:
        path: The file; SQLite makes it where it is missing.
        busy_timeout_s: How long a statement waits for somebody else's lock.
    """

    def __init__(self, path: Path, *, busy_timeout_s: float = 5.0) -> None:
        self.path = path
        self._busy_timeout_ms = int(busy_timeout_s * 1000)
        self._writer = self._engine(pool_size=1, writes=True)
        self._readers = self._engine(pool_size=READERS, writes=False)
        # asyncio's lock is fair: writers come in the order in which they asked.
        self._turn = asyncio.Lock()

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
        """Close every connection. Without this aiosqlite's threads keep the process alive."""
        async with self._turn:
            await self._writer.dispose()
            await self._readers.dispose()

    async def _read(self, query: Callable[[Connection], T]) -> T:
        try:
            async with self._readers.connect() as connection:
                return await connection.run_sync(query)
        except DBAPIError as error:
            raise await self._unavailable(error, self._readers) from error

    async def _write(self, work: Callable[[Connection], T]) -> T:
        async with self._turn:
            try:
                async with self._writer.begin() as connection:
                    return await connection.run_sync(work)
            except IntegrityError:
                raise
            except DBAPIError as error:
                raise await self._unavailable(error, self._writer) from error

    async def _unavailable(
        self, error: DBAPIError, engine: AsyncEngine
    ) -> DatabaseUnavailableError:
        # The low byte is the primary code. Where the driver gives none, it was not SQLite's fault.
        code = getattr(error.orig, "sqlite_errorcode", None)
        primary = None if code is None else code & 0xFF
        if primary in _SPOILING:
            await engine.dispose()
        # The driver's own words alone: SQLAlchemy's would put the parameters into logs and rows.
        return DatabaseUnavailableError(
            f"The database {self.path} cannot be used: {error.orig}", is_passing=primary in _PASSING
        )

    def _engine(self, *, pool_size: int, writes: bool) -> AsyncEngine:
        engine = create_async_engine(
            URL.create("sqlite+aiosqlite", database=str(self.path)),
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=None,
        )
        pragmas = [
            f"busy_timeout = {self._busy_timeout_ms}",
            "foreign_keys = ON",
            # In WAL mode FULL is what makes a commit survive a power cut.
            "synchronous = FULL",
        ]
        # Switching to WAL writes, so it is left to the writer, which opens the file first.
        pragmas.append("journal_mode = WAL" if writes else "query_only = ON")
        begin = "BEGIN IMMEDIATE" if writes else "BEGIN"

        @event.listens_for(engine.sync_engine, "connect")
        def _connect(driver_connection: Any, _record: object) -> None:
            # Python's sqlite3 would else open transactions by itself, and not around DDL.
            driver_connection.isolation_level = None
            cursor = driver_connection.cursor()
            for pragma in pragmas:
                cursor.execute(f"PRAGMA {pragma}")
            cursor.close()

        @event.listens_for(engine.sync_engine, "begin")
        def _begin(connection: Connection) -> None:
            connection.exec_driver_sql(begin)

        return engine

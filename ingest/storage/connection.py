"""One SQLite connection, in a thread of its own that runs whole transactions."""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

import aiosqlite
from sqlalchemy import URL, Connection, StaticPool, create_engine, event

T = TypeVar("T")


class SqliteConnection:
    """aiosqlite's connection and thread, with SQLAlchemy on top of them in that thread.

    SQLAlchemy's own way with aiosqlite changes threads three or four times for each statement,
    which costs more than the statements. Here a transaction is a plain function that is run
    whole: it changes threads once, and the event loop turns meanwhile.

    Args:
        path: The database file; SQLite makes it where it is missing.
        pragmas: What to say to SQLite first, such as ``foreign_keys = ON``.
        begin: The statement that begins a transaction.
    """

    def __init__(self, path: Path, *, pragmas: Sequence[str], begin: str) -> None:
        self.engine = create_engine(
            URL.create("sqlite+pysqlite", database=str(path)), poolclass=StaticPool
        )
        self._connection: aiosqlite.Connection | None = None

        @event.listens_for(self.engine, "connect")
        def _connect(driver_connection: Any, _record: object) -> None:
            # Python's sqlite3 would else open transactions by itself, and not around DDL.
            driver_connection.isolation_level = None
            cursor = driver_connection.cursor()
            for pragma in pragmas:
                cursor.execute(f"PRAGMA {pragma}")
            cursor.close()

        @event.listens_for(self.engine, "begin")
        def _begin(connection: Connection) -> None:
            connection.exec_driver_sql(begin)

    async def run(self, work: Callable[[Connection], T]) -> T:
        """Run *work* as a transaction, in the thread; committed on return.

        Whatever *work* raises rolls it back. Not to be cancelled: the thread would go on.

        Raises:
            sqlalchemy.exc.DBAPIError: SQLite refused, or the file cannot be opened.
        """
        if self._connection is None:
            self._connection = await self._opened()
        # The one door into that thread for something that is no statement; SQLAlchemy uses it too.
        result = await self._connection._execute(self._transaction, work)  # type: ignore[no-untyped-call]  # noqa: SLF001
        return cast("T", result)

    async def _opened(self) -> aiosqlite.Connection:
        # Opened by SQLAlchemy, in aiosqlite's thread, which owns it from then on.
        connection = aiosqlite.Connection(self._open, iter_chunk_size=64)
        try:
            return await connection
        except BaseException:
            # The thread still has to say that it ends: not to a loop that is closed by then. That
            # is a moment, for which no other thread is worth its while.
            while connection._thread.is_alive():  # noqa: ASYNC110, SLF001
                await asyncio.sleep(0.001)
            raise

    async def close(self) -> None:
        """Close the connection and end the thread; `run` opens it anew."""
        connection, self._connection = self._connection, None
        if connection is not None:
            # In the thread: SQLite's objects are for the one that made them.
            await connection._execute(self.engine.dispose)  # type: ignore[no-untyped-call]  # noqa: SLF001
            await connection.close()

    def _open(self) -> sqlite3.Connection:
        # The pool keeps its one connection open.
        with self.engine.connect() as connection:
            return cast("sqlite3.Connection", connection.connection.dbapi_connection)

    def _transaction(self, work: Callable[[Connection], T]) -> T:
        with self.engine.begin() as connection:
            return work(connection)

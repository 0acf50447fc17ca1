"""Makes the n-th SQL statement of a run fail, in the driver, as the driver itself would."""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum
from textwrap import shorten
from typing import Any, Final

from attrs import define, field
from sqlalchemy import Engine, event


class Fault(Enum):
    """What goes wrong: SQLite's words and code; whether a COMMIT is carried out all the same."""

    IO_ERROR = ("disk I/O error", sqlite3.SQLITE_IOERR, "SQLITE_IOERR", False)
    LOCKED = ("database is locked", sqlite3.SQLITE_BUSY, "SQLITE_BUSY", False)
    FULL = ("database or disk is full", sqlite3.SQLITE_FULL, "SQLITE_FULL", False)
    COMMITTED = ("disk I/O error", sqlite3.SQLITE_IOERR, "SQLITE_IOERR", True)

    def error(self) -> sqlite3.OperationalError:
        """Return what the driver raises."""
        message, code, name, _ = self.value
        error = sqlite3.OperationalError(message)
        error.sqlite_errorcode = code
        error.sqlite_errorname = name
        return error

    @property
    def message(self) -> str:
        """SQLite's words."""
        return self.value[0]

    @property
    def commits(self) -> bool:
        """Whether a COMMIT that fails has been carried out."""
        return self.value[3]


COMMIT: Final = "COMMIT"

#: So much of a statement is told.
HIT_CHARACTERS: Final = 90


@define(eq=False, kw_only=True)
class Faults:
    """Counts the statements of a run from `arm` on, and lets them fail from the *at*-th on.

    Args:
        fault: What happens. COMMITTED happens to COMMITs alone.
        at: The number of the statement, from 1 on.
        lasting: Whether all the later ones fail as well, until `lift`.
        told: Called in the driver's thread at each failure.
    """

    fault: Fault
    at: int
    lasting: bool
    told: Callable[[], object] = lambda: None
    #: What was asked of the database, in order; and what the first fault hit.
    statements: int = 0
    hit: str | None = None
    failures: int = 0
    _armed: bool = False
    _lock: threading.Lock = field(factory=threading.Lock)

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Give every connection that is made meanwhile a driver that fails."""
        faults = self

        class Failing(_Connection):
            owner = faults

        def connect(_dialect: Any, _record: Any, _args: Any, options: Any) -> None:
            options["factory"] = Failing

        event.listen(Engine, "do_connect", connect)
        try:
            yield
        finally:
            event.remove(Engine, "do_connect", connect)

    def arm(self) -> None:
        """Begin to count."""
        self._armed = True

    def lift(self) -> None:
        """Take the cause away."""
        self._armed = False

    def before(self, statement: str) -> bool:
        """Count a statement; return whether it is to fail."""
        with self._lock:
            if not self._armed or (self.fault.commits and statement != COMMIT):
                return False
            self.statements += 1
            if self.statements < self.at or (self.statements > self.at and not self.lasting):
                return False
            self.failures += 1
            if self.hit is None:
                self.hit = shorten(statement, HIT_CHARACTERS, placeholder="...")
        return True


class _Cursor(sqlite3.Cursor):
    """A cursor whose statements may fail."""

    def execute(self, sql: str, parameters: Any = (), /) -> "_Cursor":
        _before(self.connection, sql)
        super().execute(sql, parameters)
        return self

    def executemany(self, sql: str, parameters: Any, /) -> "_Cursor":
        _before(self.connection, sql)
        super().executemany(sql, parameters)
        return self


class _Connection(sqlite3.Connection):
    """A connection whose statements may fail; a ROLLBACK never does."""

    owner: Faults

    def cursor(self, factory: Any = _Cursor) -> Any:
        return super().cursor(factory)

    def execute(self, sql: str, parameters: Any = (), /) -> Any:
        return self.cursor().execute(sql, parameters)

    def commit(self) -> None:
        if not self.in_transaction:
            return
        if not self.owner.before(COMMIT):
            super().commit()
            return
        if self.owner.fault.commits:
            super().commit()
        self.owner.told()
        raise self.owner.fault.error()


def _before(connection: sqlite3.Connection, sql: str) -> None:
    owner = connection.owner  # type: ignore[attr-defined]  # it is ours
    if owner.before(sql):
        owner.told()
        raise owner.fault.error()

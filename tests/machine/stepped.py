"""An event loop and a disk that move only when told to, so that a run can be had again.

The loop's clock stands until somebody turns it, and what is asked of SQLite is carried out one
call at a time, in an order of the caller's choosing. So every order of two clients' operations,
call by call, can be had, and the same choices give the same run.
"""

import asyncio
import sqlite3
from collections.abc import Callable
from enum import Enum, auto
from functools import partial
from types import TracebackType
from typing import Any, Final, Self

import aiosqlite
from attrs import define, field, frozen
from sqlalchemy import Engine, event

#: More than anything that is asked of the service needs: who passes it goes in circles.
_FOR_EVER: Final = 5000


class SteppedLoop(asyncio.SelectorEventLoop):
    """An event loop whose time is what it is set to. It never waits."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0
        #: What nobody took notice of: errors in callbacks and in tasks that were dropped.
        self.complaints: list[str] = []
        self.set_exception_handler(lambda _, context: self.complaints.append(str(context)))

    def time(self) -> float:
        """Return the time, in seconds from the loop's making."""
        return self._now

    def run_ready(self) -> None:
        """Run what can run without anything else happening first."""
        for _ in range(_FOR_EVER):
            self.call_soon(self.stop)
            self.run_forever()
            if not self._ready and self.next_timer() > self._now:  # type: ignore[attr-defined]
                return
        raise AssertionError("the event loop does not come to rest")

    def next_timer(self) -> float:
        """Return the time of the next timer; never, if there is none."""
        timers: list[asyncio.TimerHandle] = self._scheduled  # type: ignore[attr-defined]
        return min((one.when() for one in timers if not one.cancelled()), default=float("inf"))

    def turn_clock(self, to: float) -> None:
        """Set the time; timers that are due run with what is ready."""
        self._now = max(self._now, to)


class Commit(Enum):
    """What becomes of a commit."""

    CARRIED_OUT = auto()
    REFUSED = auto()
    CARRIED_OUT_WITH_AN_ERROR = auto()


@frozen
class _Call:
    connection: object
    future: "asyncio.Future[Any] | None"
    function: Callable[[], Any]


@define
class Disk:
    """Carries out what is asked of SQLite. While it is entered, new connections are made here."""

    _calls: list[_Call] = field(factory=list)
    _threaded: Any = aiosqlite.Connection
    next_commit: Commit = Commit.CARRIED_OUT

    def __enter__(self) -> Self:
        event.listen(Engine, "do_connect", self._connect)
        self._threaded = aiosqlite.Connection
        # What is not ours is replaced where it is looked up: a connection without a thread.
        aiosqlite.Connection = partial(_SteppedConnection, self)  # type: ignore[misc,assignment]
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        event.remove(Engine, "do_connect", self._connect)
        aiosqlite.Connection = self._threaded  # type: ignore[misc]

    @property
    def busy(self) -> bool:
        """Whether anything is left to be carried out."""
        return bool(self._calls)

    @property
    def write_is_next(self) -> bool:
        """Whether what has waited longest is a transaction that may write."""
        return bool(self._calls) and _may_write(self._calls[0].connection)

    def carry_out(self, choice: int = 0) -> None:
        """Carry out the call that has waited longest, or that of another connection."""
        first_of_each = list({id(one.connection): one for one in reversed(self._calls)}.values())
        first_of_each.reverse()
        call = first_of_each[choice % len(first_of_each)]
        self._calls.remove(call)
        # As in aiosqlite, what has been asked is done although nobody may wait for it any more.
        try:
            result = call.function()
        except Exception as error:  # noqa: BLE001  # it is the caller's, whatever it is
            if call.future is not None and not call.future.done():
                call.future.set_exception(error)
        else:
            if call.future is not None and not call.future.done():
                call.future.set_result(result)

    def commit(self, carry_out: Callable[[], None]) -> None:
        """Commit a transaction that has written, as it is to be."""
        spoilt, self.next_commit = self.next_commit, Commit.CARRIED_OUT
        if spoilt is not Commit.REFUSED:
            carry_out()
        if spoilt is Commit.CARRIED_OUT:
            return
        error = sqlite3.OperationalError("database or disk is full")
        error.sqlite_errorcode = sqlite3.SQLITE_FULL
        raise error

    def ask(self, call: _Call) -> None:
        """Take in a call, to be carried out when it is its turn."""
        self._calls.append(call)

    def _connect(self, _dialect: object, _record: object, _args: object, keys: Any) -> None:
        keys["factory"] = partial(_SpoiltConnection, self)


def _may_write(connection: Any) -> bool:
    opened = connection._connection
    return opened is not None and not opened.execute("PRAGMA query_only").fetchone()[0]


class _SpoiltConnection(sqlite3.Connection):
    """A connection whose commits go as its disk wants."""

    def __init__(self, disk: Disk, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._disk = disk
        self._changes = 0

    def commit(self) -> None:
        """Commit, or not."""
        if self.total_changes == self._changes:
            super().commit()
            return
        self._changes = self.total_changes
        self._disk.commit(super().commit)


class _SteppedConnection(aiosqlite.Connection):
    """A connection without a thread of its own."""

    def __init__(
        self, disk: Disk, connector: Callable[[], sqlite3.Connection], iter_chunk_size: int
    ) -> None:
        super().__init__(connector, iter_chunk_size)
        self._tx: Any = _Queue(self, disk)

    def __await__(self) -> Any:
        return self._connect().__await__()


@frozen(eq=False)
class _Queue:
    """Stands where aiosqlite's queue to its thread does."""

    _connection: object
    _disk: Disk

    def put_nowait(self, call: "tuple[asyncio.Future[Any] | None, Callable[[], Any]]") -> None:
        self._disk.ask(_Call(self._connection, *call))

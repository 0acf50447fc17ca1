"""One owner per database: a lock that the kernel releases, whatever happens to the process."""

import asyncio
import fcntl
import os
import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import orjson
import structlog

from ingest.errors import ConfigurationError, DatabaseInUseError

_log = structlog.get_logger(__name__)

#: How often a waiting process looks whether the owner is gone.
POLL_S: Final = 0.1


class DatabaseLock:
    """Holds ``<database>.lock`` with flock for as long as the process lives.

    The lock lies beside the database, not on it: opening and closing the database file itself
    would drop SQLite's own locks on it.

    Args:
        database: The database file; links in its path are followed, so that two names of one
            file meet in one lock.
    """

    def __init__(self, database: Path) -> None:
        resolved = database.resolve()
        self.path = resolved.with_name(resolved.name + ".lock")
        self._database = resolved
        self._descriptor: int | None = None

    async def acquire(self, *, wait_s: float = 0.0) -> None:
        """Become the owner, waiting at most *wait_s* for another to go.

        Raises:
            ConfigurationError: The lock file cannot be made where the database is to be.
            DatabaseInUseError: Another process has it; the message names that process.
        """
        deadline = asyncio.get_running_loop().time() + wait_s
        descriptor = await self._locked(deadline)
        while not self._is_in_place(descriptor):
            # Somebody removed the file while it was waited for: that lock keeps nobody out.
            os.close(descriptor)
            descriptor = await self._locked(deadline)
        self._descriptor = descriptor
        owner = {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "started": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, orjson.dumps(owner), 0)

    def release(self) -> None:
        """Give the lock up. The file stays: removing it would let two owners lock two files."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    async def _locked(self, deadline: float) -> int:
        try:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise ConfigurationError(
                f"database.url: cannot make the lock file {self.path}: {error.strerror}"
            ) from error
        try:
            await self._wait(descriptor, deadline)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def _is_in_place(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(os.fstat(descriptor), self.path.stat())
        except FileNotFoundError:
            return False

    async def _wait(self, descriptor: int, deadline: float) -> None:
        loop = asyncio.get_running_loop()
        waiting = False
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                # `is_owned` has the lock for a moment, and shared: that makes nobody an owner.
                if loop.time() >= deadline and not _may_share(descriptor):
                    raise DatabaseInUseError(self._in_use(descriptor)) from None
            else:
                return
            if not waiting:
                waiting = True
                wait_s = round(deadline - loop.time(), 1)
                _log.info("waiting for the database", owner=_owner(descriptor), wait_s=wait_s)
            await asyncio.sleep(POLL_S)

    def _in_use(self, descriptor: int) -> str:
        return (
            f"The database {self._database} belongs to another running service: "
            f"{_owner(descriptor)}. Stop that one, name another database, "
            "or wait for it with --wait-for-database SECONDS"
        )


def is_owned(database: Path) -> bool:
    """Tell whether a process has the database now, without making a lock file or keeping it."""
    try:
        descriptor = os.open(DatabaseLock(database).path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        return not _may_share(descriptor)
    finally:
        os.close(descriptor)


def _may_share(descriptor: int) -> bool:
    """Tell whether nobody has the lock for itself; what was locked to find out is let go."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    return True


def _owner(descriptor: int) -> str:
    try:
        owner = orjson.loads(os.pread(descriptor, 4096, 0))
        return f"process {owner['pid']} on {owner['host']}, started {owner['started']}"
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return "a process that has not written its name yet"

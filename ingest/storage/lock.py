"""One owner per database: a lock that the kernel releases, whatever happens to the process."""

import asyncio
import errno
import fcntl
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final

import structlog

from ingest.errors import ConfigurationError, DatabaseInUseError
from ingest.storage.lock_record import may_overwrite, owner_name, write_owner

_log = structlog.get_logger(__name__)

#: How often a waiting process looks whether the owner is gone.
POLL_S: Final = 0.1

#: How long one who shares the lock is waited for at least: `is_owned` does so for a moment.
SHARER_S: Final = 1.0

#: How often the lock is tried anew at once, when its file goes while it is being locked.
_TRIES: Final = 3

# Never through a link, and never waiting for the other end of a pipe.
_FLAGS: Final = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK

#: What opening a link, a folder or a socket ends with.
_IRREGULAR: Final = frozenset({errno.ELOOP, errno.EISDIR, errno.ENXIO})


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
        self._is_lost = False
        self._last_trouble = ""

    async def acquire(self, *, wait_s: float = 0.0) -> None:
        """Become the owner, waiting at most *wait_s* for another to go.

        Raises:
            ConfigurationError: The lock file cannot be made or written where the database is to
                be, something else has its name, the database file has other names, or it may not
                be written.
            DatabaseInUseError: Another process has it; the message names that process.
        """
        self._refuse_other_names()
        self._refuse_unwritable()
        deadline = asyncio.get_running_loop().time() + wait_s
        while True:
            descriptor = self._opened()
            try:
                await self._wait(descriptor, deadline)
                # Where somebody removed the file meanwhile, that lock keeps nobody out.
                if self._is_in_place(descriptor):
                    self._refuse_other_names()
                    self._refuse_other_content(descriptor)
                    self._write_owner(descriptor)
                    break
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)
        self._descriptor = descriptor
        self._is_lost = False

    def holds(self) -> bool:
        """Tell whether this process is still the owner; never waits, and costs next to nothing.

        A lock file that somebody removed or replaced is made and locked anew, if nobody else was
        faster. Who was not faster is the owner no more, and never again by itself.
        """
        if self._descriptor is None or self._is_lost:
            return False
        if self._is_in_place(self._descriptor):
            return True
        try:
            anew = self._locked_anew()
        except ConfigurationError as error:
            self._tell_trouble(str(error))
            return False
        if anew is None:
            return False
        os.close(self._descriptor)
        self._descriptor = anew
        self._last_trouble = ""
        _log.warning("lock file was removed, made anew", path=str(self.path))
        return True

    def release(self) -> None:
        """Give the lock up. The file stays: removing it would let two owners lock two files."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _locked_anew(self) -> int | None:
        for _ in range(_TRIES):
            descriptor = self._opened()
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if self._is_in_place(descriptor):
                    self._refuse_other_content(descriptor)
                    with suppress(ConfigurationError):  # it is the lock that counts
                        self._write_owner(descriptor)
                    return descriptor
            except BlockingIOError:
                if not _may_share(descriptor):
                    self._is_lost = True
                    _log.error(
                        "lock file was removed, and another process owns the database now",
                        path=str(self.path),
                        owner=owner_name(descriptor),
                    )
                    os.close(descriptor)
                    return None
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)
        return None

    def _tell_trouble(self, trouble: str) -> None:
        # Once, though it is asked for every second.
        if trouble != self._last_trouble:
            self._last_trouble = trouble
            _log.error("lock file was removed, and cannot be made anew", reason=trouble)

    def _refuse_other_names(self) -> None:
        try:
            names = self._database.stat().st_nlink
        except OSError:
            return  # not there yet; what else is wrong shows when it is opened
        if names > 1:
            raise ConfigurationError(
                f"database.url: the file {self._database} has {names} names (hard links), and "
                "SQLite spoils a database that is opened by two of them: find the others with "
                f"find -samefile {self._database}, and remove them, or use a symbolic link"
            )

    def _refuse_unwritable(self) -> None:
        """Raise if SQLite would open the database all the same, and fail at the first write."""
        for ending in ("", "-wal", "-shm"):
            path = self._database.with_name(self._database.name + ending)
            if path.exists() and not os.access(path, os.W_OK, effective_ids=True):
                raise ConfigurationError(
                    f"database.url: {path} cannot be written by this user (uid {os.geteuid()}; it "
                    f"belongs to uid {path.stat().st_uid}): give it to the user that the service "
                    "runs as, with chown"
                )

    def _opened(self) -> int:
        try:
            # Looked at first: opening a device may do something.
            with suppress(FileNotFoundError):
                self._refuse_irregular(self.path.lstat().st_mode)
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | _FLAGS, 0o644)
        except OSError as error:
            if error.errno in _IRREGULAR:
                self._refuse_irregular(0)
            raise ConfigurationError(
                f"database.url: cannot open or make the lock file {self.path}: {error.strerror}. "
                "The user that the service runs as must be able to write it, and the folder"
            ) from error
        try:
            self._refuse_irregular(os.fstat(descriptor).st_mode)
            if os.geteuid() == 0:
                self._give_away(descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def _give_away(self, descriptor: int) -> None:
        """Let the lock file belong to whom the database does.

        Root looks after databases of services that run as somebody else, who could not open it.
        """
        owner = (self._database if self._database.exists() else self.path.parent).stat()
        os.fchown(descriptor, owner.st_uid, owner.st_gid)

    def _refuse_irregular(self, mode: int) -> None:
        if not stat.S_ISREG(mode):
            raise ConfigurationError(
                f"database.url: {self.path} is no regular file, so it cannot be the lock file of "
                f"{self._database}: move it away, or name another database"
            )

    def _refuse_other_content(self, descriptor: int) -> None:
        if not may_overwrite(descriptor):
            raise ConfigurationError(
                f"database.url: the file {self.path} would be the lock file of {self._database}, "
                "and holds something else: move it away, or name another database"
            )

    def _write_owner(self, descriptor: int) -> None:
        try:
            write_owner(descriptor)
        except OSError as error:
            raise ConfigurationError(
                f"database.url: cannot write the lock file {self.path}: {error.strerror}. Make "
                "room where the database is to be, or name another one"
            ) from error

    def _is_in_place(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(os.fstat(descriptor), self.path.lstat())
        except OSError:
            return False

    async def _wait(self, descriptor: int, deadline: float) -> None:
        loop = asyncio.get_running_loop()
        sharers_deadline = max(deadline, loop.time() + SHARER_S)
        waiting = False
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                # `is_owned` has the lock for a moment, and shared: that makes nobody an owner.
                is_shared = _may_share(descriptor)
                if loop.time() >= (sharers_deadline if is_shared else deadline):
                    raise DatabaseInUseError(self._in_use(descriptor, is_shared)) from None
            else:
                return
            if not waiting:
                waiting = True
                wait_s = max(0.0, round(deadline - loop.time(), 1))
                owner = None if is_shared else owner_name(descriptor)
                _log.info("waiting for the database", owner=owner, wait_s=wait_s)
            await asyncio.sleep(POLL_S)

    def _in_use(self, descriptor: int, is_shared: bool) -> str:  # noqa: FBT001
        if is_shared:
            return (
                f"The lock file {self.path} of the database {self._database} is locked by "
                "something that is no service of ours and only shares it: find it with lslocks "
                "or fuser, and end it, or name another database"
            )
        return (
            f"The database {self._database} belongs to another running service: "
            f"{owner_name(descriptor)}. Stop that one, name another database, "
            "or wait for it with --wait-for-database SECONDS"
        )


def is_owned(database: Path) -> bool:
    """Tell whether a process has the database now, without making a lock file or keeping it."""
    try:
        descriptor = os.open(DatabaseLock(database).path, os.O_RDONLY | _FLAGS)
    except FileNotFoundError:
        return False
    except OSError as error:
        if error.errno in _IRREGULAR:
            return False  # no service takes that for its lock
        raise
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

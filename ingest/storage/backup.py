"""A copy of a database, made while a service writes to it."""

import os
import sqlite3
import stat
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final

from attrs import frozen

from ingest.errors import BackupError, DatabaseUnavailableError
from ingest.storage.check import Report, check_copy, opened, refuse_other_version, require_file
from ingest.storage.lock import is_owned

#: So many pages are copied at a time; in between somebody may ask to stop.
_STEP_PAGES: Final = 1000

#: Where SQLite keeps what is not in a database's file yet. Of another database, it would spoil it.
_BESIDE: Final = ("-wal", "-journal")

#: What the names of files end in that belong to a database beside them.
_PARTS: Final = (*_BESIDE, "-shm", ".lock")


@frozen(kw_only=True)
class Backup:
    """A copy that was made, and what it was found to be."""

    path: Path
    size_bytes: int
    duration_s: float
    report: Report


def back_up(
    database: Path, target: Path, *, overwrite: bool = False, busy_timeout_s: float = 5.0
) -> Backup:
    """Copy one state of *database* to *target*, check the copy, and put it in place whole.

    The service may run and write meanwhile: neither waits for the other. Until the copy is
    checked and on disk it has another name beside *target*; whatever goes wrong, nothing is left
    under *target* that was not there before.

    Args:
        database: The database file.
        target: Where the copy is to be.
        overwrite: Whether a file that is there may be replaced.
        busy_timeout_s: How long somebody's lock is waited for.

    Raises:
        InvalidValueError: There is no such database.
        DatabaseVersionError: It is none of ours, or of a newer version.
        DatabaseUnavailableError: It cannot be read now.
        BackupError: There is a file already, the copy cannot be written, or it is damaged.
    """
    began = time.monotonic()
    require_file(database)
    target = target.absolute()
    _refuse(database, target, overwrite=overwrite)
    try:
        with _part(target, mode=database.stat().st_mode) as part:
            _copy(database, part, busy_timeout_s)
            report = _checked(database, part)
            _refuse(database, target, overwrite=overwrite)  # it may have come meanwhile
            _put_in_place(part, target)
    except OSError as error:
        raise BackupError(f"The copy {target} cannot be written: {error.strerror}") from error
    return Backup(
        path=target,
        size_bytes=target.stat().st_size,
        duration_s=time.monotonic() - began,
        report=report,
    )


def _refuse(database: Path, target: Path, *, overwrite: bool) -> None:
    """Raise if *target* must not be written."""
    if not target.parent.is_dir():
        raise BackupError(f"The folder {target.parent} is not there: make it, or name another")
    _refuse_parts(target)
    if not os.path.lexists(target):
        return
    if target.exists() and target.samefile(database):
        raise BackupError(f"{target} is the database itself: name another file")
    if not overwrite:
        raise BackupError(f"{target} is there already: name another file, or say --force")
    if not stat.S_ISREG(target.lstat().st_mode):
        raise BackupError(f"{target} is no regular file: name another")
    if is_owned(target):
        raise BackupError(f"{target} is the database of a running service: name another file")


def _refuse_parts(target: Path) -> None:
    """Raise if the copy would be taken for a part of a database, or have somebody else's part."""
    for ending in _PARTS:
        owned_by = target.name.removesuffix(ending)
        if owned_by not in {"", target.name} and target.with_name(owned_by).exists():
            raise BackupError(
                f"{target} is, or would be, a part of the database {owned_by}, and would spoil it: "
                "name another file"
            )
    for beside in _BESIDE:
        other = target.with_name(target.name + beside)
        if other.exists() and other.stat().st_size:
            raise BackupError(
                f"{other} is there: it belongs to another database, and would spoil the copy. "
                "Move it away, or name another file"
            )


@contextmanager
def _part(target: Path, *, mode: int) -> Iterator[Path]:
    """Make the file that becomes the copy; removed at the end, if it still has its first name."""
    _remove_left(target)
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, stat.S_IMODE(mode)))
    try:
        yield part
    finally:
        with suppress(FileNotFoundError):
            part.unlink()


def _remove_left(target: Path) -> None:
    """Remove what backups to the same file have left that were killed."""
    for left in target.parent.glob(f".{target.name}.*.part"):
        pid = left.name.removesuffix(".part").rpartition(".")[2]
        if pid.isdecimal() and not Path(f"/proc/{pid}").exists():
            with suppress(OSError):
                left.unlink()


def _copy(database: Path, part: Path, busy_timeout_s: float) -> None:
    def go_on(_status: int, _remaining: int, _total: int) -> None:
        """Be Python between two steps, where Ctrl-C is heard."""

    try:
        with (
            opened(database, busy_timeout_s) as source,
            closing(sqlite3.connect(part, isolation_level=None)) as copy,
        ):
            # It is thrown away if anything goes wrong, and synced as a whole.
            copy.execute("PRAGMA journal_mode = OFF")
            copy.execute("PRAGMA synchronous = OFF")
            # The transaction keeps one state in view. Without it SQLite begins anew whenever
            # another process has written between two steps, and never comes to an end.
            source.execute("BEGIN")
            refuse_other_version(source, database)
            source.backup(copy, pages=_STEP_PAGES, progress=go_on, sleep=0)
            source.execute("COMMIT")
    except sqlite3.Error as error:
        if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_FULL:
            raise BackupError(
                f"There is no room for the copy beside {part.parent}: make some, or name another "
                "folder"
            ) from error
        raise DatabaseUnavailableError(
            f"The database {database} cannot be copied: {error}"
        ) from error


def _checked(database: Path, part: Path) -> Report:
    report = check_copy(part)
    damage = [one for one in report.faults if one.is_of_file]
    if damage:
        wrong = " ".join(damage[0].wrong.split())
        raise BackupError(
            f"The copy of {database} {wrong}, so it was not kept. See whether the "
            "database is: ingest db check"
        )
    return report


def _put_in_place(part: Path, target: Path) -> None:
    _sync(part)
    part.replace(target)
    _sync(target.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

"""What a lock file holds: who has the database, for people to read; the lock itself is flock's."""

import errno
import os
import socket
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final

import orjson

#: No record of an owner is longer.
_RECORD_MAX_BYTES: Final = 4096


def may_overwrite(descriptor: int) -> bool:
    """Tell whether a file is empty or holds the record of an owner, and nothing of anybody's."""
    content = os.pread(descriptor, _RECORD_MAX_BYTES + 1, 0)
    if len(content) > _RECORD_MAX_BYTES:
        return False
    # A power cut may leave zeros.
    return not content.strip(b"\0") or _record(content) is not None


def write_owner(descriptor: int) -> None:
    """Write this process's record into the file.

    Raises:
        OSError: There is no room for it; the file is left empty.
    """
    record = orjson.dumps(
        {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "started": datetime.now(UTC).isoformat(timespec="seconds"),
        }
    )
    try:
        os.ftruncate(descriptor, 0)
        if os.pwrite(descriptor, record, 0) < len(record):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # noqa: TRY301 - as when full
    except OSError:
        with suppress(OSError):  # half a record would be taken for somebody else's file
            os.ftruncate(descriptor, 0)
        raise


def owner_name(descriptor: int) -> str:
    """Return who has the file locked, as far as it tells."""
    record = _record(os.pread(descriptor, _RECORD_MAX_BYTES, 0))
    if record is None or _is_gone(record):
        return "a process that has not written its name yet"
    return f"process {record['pid']} on {record['host']}, started {record['started']}"


def _record(content: bytes) -> dict[str, Any] | None:
    try:
        record = orjson.loads(content)
    except orjson.JSONDecodeError:
        return None
    is_ours = isinstance(record, dict) and {"pid", "host", "started"} <= record.keys()
    return record if is_ours else None


def _is_gone(record: dict[str, Any]) -> bool:
    pid = record["pid"]
    if record["host"] != socket.gethostname() or not isinstance(pid, int) or pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return True
    except PermissionError:
        return False
    return False

"""One owner per database."""

import asyncio
import fcntl
import os
import resource
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from ingest.errors import ConfigurationError, DatabaseInUseError
from ingest.storage.lock import DatabaseLock, is_owned

DEADLINE_S = 10

OWNER = """
import asyncio, sys
from pathlib import Path
from ingest.storage.lock import DatabaseLock
lock = DatabaseLock(Path(sys.argv[1]))
asyncio.run(lock.acquire())
print("owner", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the database is; the lock does not need it to be there."""
    return tmp_path / "ingest.db"


@pytest.fixture
def other_process(path: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Another process, which owns the database."""
    with subprocess.Popen(
        [sys.executable, "-c", OWNER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"owner\n"
        yield process
        process.kill()


async def test_a_second_process_is_refused_and_told_who_has_it(
    path: Path, other_process: "subprocess.Popen[bytes]"
) -> None:
    """The message names the owner and the ways out."""
    with pytest.raises(DatabaseInUseError, match=rf"process {other_process.pid} on .*--wait-for"):
        await DatabaseLock(path).acquire()


async def test_a_killed_process_leaves_the_database_free(
    path: Path, other_process: "subprocess.Popen[bytes]"
) -> None:
    """The kernel gives the lock up for it, so nobody has to remove anything."""
    other_process.kill()
    other_process.wait()
    lock = DatabaseLock(path)
    await lock.acquire()
    assert str(os.getpid()) in lock.path.read_text()
    lock.release()


async def test_a_process_may_wait_for_the_owner_to_go(path: Path) -> None:
    """For a roll-out: the second one gets the database as soon as the first has let go."""
    first, second = DatabaseLock(path), DatabaseLock(path)
    await first.acquire()
    waiting = asyncio.create_task(second.acquire(wait_s=DEADLINE_S))
    done, _ = await asyncio.wait({waiting}, timeout=0)
    assert not done
    first.release()
    await waiting
    with pytest.raises(DatabaseInUseError):
        await first.acquire()
    second.release()


async def test_waiting_ends_when_its_time_is_over(path: Path) -> None:
    """Who waited in vain is refused like one who did not wait, and keeps nothing."""
    first, second = DatabaseLock(path), DatabaseLock(path)
    await first.acquire()
    with pytest.raises(DatabaseInUseError):
        await second.acquire(wait_s=0.01)
    first.release()
    await second.acquire()
    second.release()


async def test_who_only_looks_refuses_nobody(path: Path) -> None:
    """A shared lock, as of one who asks whether there is an owner, is waited for."""
    lock = DatabaseLock(path)
    lock.path.touch()
    assert not is_owned(path)
    with lock.path.open() as looking:
        fcntl.flock(looking, fcntl.LOCK_SH)
        acquiring = asyncio.create_task(lock.acquire())
        done, _ = await asyncio.wait({acquiring}, timeout=0)
        assert not done
    await acquiring
    assert is_owned(path)
    with pytest.raises(DatabaseInUseError):
        await DatabaseLock(path).acquire()
    lock.release()
    assert not is_owned(path)


async def test_a_cancelled_wait_keeps_nothing(path: Path) -> None:
    """A process told to stop while it waits does not become the owner."""
    first, second, third = DatabaseLock(path), DatabaseLock(path), DatabaseLock(path)
    await first.acquire()
    waiting = asyncio.create_task(second.acquire(wait_s=DEADLINE_S))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    first.release()
    await third.acquire()
    third.release()


async def test_two_names_of_one_database_meet_in_one_lock(path: Path) -> None:
    """A link to the database does not give it a second owner."""
    link = path.with_name("link.db")
    link.symlink_to(path)
    first, second = DatabaseLock(path), DatabaseLock(link)
    assert first.path == second.path
    await first.acquire()
    with pytest.raises(DatabaseInUseError):
        await second.acquire()
    first.release()


async def test_the_lock_leaves_the_database_file_alone(path: Path) -> None:
    """Nothing but SQLite makes or opens the database file."""
    lock = DatabaseLock(path)
    await lock.acquire()
    lock.release()
    lock.release()
    assert [one.name for one in path.parent.iterdir()] == ["ingest.db.lock"]


async def test_a_database_where_no_lock_can_be_made(path: Path) -> None:
    """The setting is named that has to be changed."""
    with pytest.raises(ConfigurationError, match=r"database\.url: .*No such file or directory"):
        await DatabaseLock(path / "missing" / "ingest.db").acquire()


async def test_a_lock_whose_file_was_removed_is_taken_anew(path: Path) -> None:
    """Whoever waited for it ends up with the lock that the next one will ask for."""
    first, second, third = DatabaseLock(path), DatabaseLock(path), DatabaseLock(path)
    await first.acquire()
    waiting = asyncio.create_task(second.acquire(wait_s=DEADLINE_S))
    done, _ = await asyncio.wait({waiting}, timeout=0)
    assert not done
    first.path.unlink()
    first.release()
    await waiting
    with pytest.raises(DatabaseInUseError):
        await third.acquire()
    second.release()


def own_pid_in(lock: DatabaseLock) -> bool:
    """Return whether the lock file names this process."""
    return f'"pid":{os.getpid()},' in lock.path.read_text()


async def test_a_lock_file_that_was_removed_is_made_anew(path: Path) -> None:
    """Tidying a "stale" lock away does not let a second owner in."""
    lock = DatabaseLock(path)
    assert not lock.holds()
    await lock.acquire()
    assert lock.holds()
    with capture_logs() as logs:
        lock.path.unlink()
        assert lock.holds()
        lock.path.rename(path.with_name("away"))
        lock.path.write_text("")
        assert lock.holds()
        assert lock.holds()
    assert [line["event"] for line in logs] == ["lock file was removed, made anew"] * 2
    assert own_pid_in(lock)
    with pytest.raises(DatabaseInUseError):
        await DatabaseLock(path).acquire()
    lock.release()
    assert not lock.holds()
    assert not is_owned(path)


async def test_who_was_not_faster_is_the_owner_no_more(path: Path) -> None:
    """It stays so when the other one has gone, and is told once, with the other one's name."""
    lock, other = DatabaseLock(path), DatabaseLock(path)
    await lock.acquire()
    lock.path.unlink()
    await other.acquire()
    with capture_logs() as logs:
        assert not lock.holds()
        assert other.holds()
        other.release()
        assert not lock.holds()
    assert [line["log_level"] for line in logs] == ["error"]
    assert f"process {os.getpid()} on " in logs[0]["owner"]
    assert not is_owned(path)
    lock.release()


async def test_a_lock_that_cannot_be_made_anew_now_may_be_later(path: Path) -> None:
    """Until then it is not held, and what is in its place stays as it is."""
    lock = DatabaseLock(path)
    await lock.acquire()
    lock.path.unlink()
    lock.path.write_text("mine")
    with capture_logs() as logs:
        assert not lock.holds()
        assert not lock.holds()
        assert lock.path.read_text() == "mine"
        lock.path.unlink()
        assert lock.holds()
    assert [line["log_level"] for line in logs] == ["error", "warning"]
    lock.release()


def second_name(path: Path) -> Path:
    """Make a file, and give it another name."""
    path.touch()
    other = path.with_name("other.db")
    other.hardlink_to(path)
    return other


async def test_a_database_file_with_two_names_is_refused(path: Path) -> None:
    """SQLite would keep a journal for each name, and the two would spoil the file."""
    other = second_name(path)
    for name in (path, other):
        with pytest.raises(ConfigurationError, match=rf"{name.name} has 2 names .*find -samefile"):
            await DatabaseLock(name).acquire()
    other.unlink()
    assert [one.name for one in path.parent.iterdir()] == [path.name]
    lock = DatabaseLock(path)
    await lock.acquire()
    lock.release()


@pytest.mark.parametrize("make", ["link", "dangling link", "folder", "pipe", "socket"])
async def test_a_lock_file_that_is_no_regular_file_is_refused(path: Path, make: str) -> None:
    """What a link leads to keeps its content, and a pipe is not waited for."""
    lock, target = DatabaseLock(path), path.with_name("target")
    with socket.socket(socket.AF_UNIX) as listening:
        if make == "link":
            target.write_text("precious")
            lock.path.symlink_to(target)
        elif make == "dangling link":
            lock.path.symlink_to(target)
        elif make == "folder":
            lock.path.mkdir()
        elif make == "pipe":
            os.mkfifo(lock.path)
        else:
            listening.bind(str(lock.path))
        with pytest.raises(ConfigurationError, match=r"ingest\.db\.lock is no regular file.*move"):
            await lock.acquire()
        assert make == "folder" or not is_owned(path)
    assert not lock.holds()
    assert target.read_text() == "precious" if make == "link" else not target.exists()


@pytest.mark.parametrize(
    "content", [b"SQLite format 3\0", b"{}", b"[1]", b'{"pid":1,"host":"h"}', b"\0" * 4097, b"x"]
)
async def test_somebody_elses_file_is_not_made_the_lock_file(path: Path, content: bytes) -> None:
    """Not a byte of it is changed, and the way out is named."""
    lock = DatabaseLock(path)
    lock.path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"ingest\.db\.lock .*move it away"):
        await lock.acquire()
    assert lock.path.read_bytes() == content
    assert not is_owned(path)


@pytest.mark.parametrize(
    "content", [b"", b"\0" * 90, b'{"pid":1,"host":"h","started":"long ago","more":[]}']
)
async def test_what_an_owner_left_is_overwritten(path: Path, content: bytes) -> None:
    """An empty file, a record, and the zeros that a power cut may leave of one."""
    lock = DatabaseLock(path)
    lock.path.write_bytes(content)
    await lock.acquire()
    assert own_pid_in(lock)
    lock.release()


@pytest.mark.parametrize("room_bytes", [0, 10])
async def test_no_room_for_the_owners_name(path: Path, room_bytes: int) -> None:
    """The lock file is named, and neither a lock nor half a record is left."""
    lock = DatabaseLock(path)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room_bytes, limits[1]))
    try:
        with pytest.raises(ConfigurationError, match=r"write the lock file .*\.lock: .*Make room"):
            await lock.acquire()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert lock.path.read_bytes() == b""
    assert not is_owned(path)
    await lock.acquire()
    lock.release()


async def test_a_stranger_who_shares_the_lock_is_not_waited_for_without_end(path: Path) -> None:
    """The message names no process that is gone as the owner."""
    lock = DatabaseLock(path)
    await lock.acquire()
    lock.release()
    with lock.path.open() as stranger:
        fcntl.flock(stranger, fcntl.LOCK_SH)
        with pytest.raises(DatabaseInUseError, match="no service of ours") as refused:
            async with asyncio.timeout(DEADLINE_S):
                await lock.acquire(wait_s=0.01)
    assert str(os.getpid()) not in str(refused.value)


async def test_a_process_that_is_gone_is_not_named_as_the_owner(
    path: Path, other_process: "subprocess.Popen[bytes]"
) -> None:
    """A stranger may have the lock for itself, with the record of the last owner in the file."""
    other_process.kill()
    other_process.wait()
    lock = DatabaseLock(path)
    with lock.path.open() as stranger:
        fcntl.flock(stranger, fcntl.LOCK_EX)
        with pytest.raises(DatabaseInUseError, match="has not written its name"):
            await lock.acquire()

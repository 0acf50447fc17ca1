"""One owner per database."""

import asyncio
import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

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

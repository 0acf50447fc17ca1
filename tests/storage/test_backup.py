"""Copies of a database that somebody writes to."""

import asyncio
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ingest.errors import (
    BackupError,
    DatabaseUnavailableError,
    DatabaseVersionError,
    InvalidValueError,
)
from ingest.model.job import Ask
from ingest.storage.backup import back_up
from ingest.storage.check import check_database
from ingest.storage.database import Database
from ingest.storage.executions import ExecutionStore
from ingest.storage.lock import DatabaseLock
from tests.support.databases import started
from tests.support.old_databases import make_database
from tests.support.processes import ROOT

DEADLINE_S = 10.0


@pytest.fixture
def path(empty_database: Path, tmp_path: Path) -> Path:
    """A database, in a folder of its own."""
    folder = tmp_path / "of the service"
    folder.mkdir()
    return Path(shutil.copy(empty_database, folder / "ingest.db"))


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """Where copies go: in a folder with nothing else in it."""
    folder = tmp_path / "backups"
    folder.mkdir()
    return folder / "copy.db"


def content(path: Path) -> list[str]:
    """Return everything that is in a database."""
    with closing(sqlite3.connect(path)) as connection:
        return list(connection.iterdump())


def damage(path: Path, sql: str) -> None:
    """Change a database by hand."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(sql)


def test_a_copy_is_whole(path: Path, target: Path) -> None:
    """It holds what the database holds, is sound, and lies there alone, as private as that."""
    path.chmod(0o600)
    made = back_up(path, target)
    assert made.report.faults == []
    assert made.report.checks == check_database(path).checks
    assert made.size_bytes == target.stat().st_size == path.stat().st_size
    assert made.duration_s < DEADLINE_S
    assert os.listdir(target.parent) == [target.name]  # noqa: PTH208 - names, dots included
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert content(target) == content(path)


async def test_what_is_only_in_the_log_is_copied(path: Path, target: Path) -> None:
    """A service that runs keeps its last commits beside the file."""
    database = Database(path)
    store = ExecutionStore(database)
    instance, _ = await store.instances()
    await store.start(instance, owner="me", ask=Ask("a test"), resumable=False)
    made = await asyncio.to_thread(back_up, path, target)
    await database.close()
    assert made.report.executions == 1
    (note,) = made.report.notes
    assert "is STARTING, and no service has the database" in str(note)


def test_a_copy_comes_to_its_end_while_somebody_writes_all_the_time(
    path: Path, target: Path
) -> None:
    """It is of one moment: no writer holds it up, or gets into it, or waits for it."""
    with closing(sqlite3.connect(path, isolation_level=None)) as filling:
        filling.execute("CREATE TABLE much (twin INTEGER, x BLOB)")
        filling.execute(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)"
            " INSERT INTO much SELECT i, zeroblob(4000) FROM n"
        )
    program = (
        "import sqlite3, sys\n"
        "c = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=10)\n"
        "c.execute('PRAGMA synchronous = OFF')  # as many commits as can be\n"
        "while True:\n"
        "    c.execute('BEGIN IMMEDIATE')\n"
        "    c.execute('INSERT INTO much (twin) VALUES (-1)')\n"
        "    c.execute('INSERT INTO much (twin) VALUES (-1)')\n"
        "    c.execute('COMMIT')\n"
        "    print('committed', flush=True)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline()
        threading.Thread(target=writer.stdout.read).start()
        try:
            made = back_up(path, target)
        finally:
            writer.kill()
    assert made.report.faults == []
    with closing(sqlite3.connect(target)) as copy:
        (twins,) = copy.execute("SELECT count(*) FROM much WHERE twin = -1").fetchone()
    assert twins >= 2
    assert twins % 2 == 0


def test_a_file_that_is_there_is_not_overwritten(path: Path, target: Path) -> None:
    """Only if somebody says so; then whole, or it stays as it was."""
    target.write_text("something dear")
    with pytest.raises(BackupError, match=r"is there already: .*--force"):
        back_up(path, target)
    assert target.read_text() == "something dear"
    damage(path, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(DatabaseVersionError):
        back_up(path, target, overwrite=True)
    assert target.read_text() == "something dear"
    damage(path, "UPDATE alembic_version SET version_num = (SELECT 'x')")
    with pytest.raises(DatabaseVersionError):
        back_up(path, target, overwrite=True)


def test_a_file_that_comes_meanwhile_is_not_overwritten(path: Path, target: Path) -> None:
    """Somebody else may be quicker while the copy is being made."""
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from ingest.errors import BackupError\n"
        "from ingest.storage.backup import back_up\n"
        "def hook(event, _):\n"
        "    if event == 'sqlite3.connect':\n"
        "        Path(sys.argv[2]).write_text('something dear')\n"
        "sys.addaudithook(hook)\n"
        "try:\n"
        "    back_up(Path(sys.argv[1]), Path(sys.argv[2]))\n"
        "except BackupError as error:\n"
        "    print(error)\n"
    )
    assert "is there already" in _python(program, path, target)
    assert target.read_text() == "something dear"
    assert list(target.parent.iterdir()) == [target]


def test_overwriting_replaces_the_whole_file(path: Path, target: Path) -> None:
    """Said so, the copy takes the place of what was there."""
    target.write_text("something dear")
    back_up(path, target, overwrite=True)
    assert content(target) == content(path)
    assert os.listdir(target.parent) == [target.name]  # noqa: PTH208 - names, dots included


def link_to(path: Path, target: Path) -> None:
    """Let the target be another name of the database."""
    target.symlink_to(path)


def folder(_: Path, target: Path) -> None:
    """Let the target be a folder."""
    target.mkdir()


def left_beside(_: Path, target: Path) -> None:
    """Leave the log of an older database beside the target."""
    target.with_name(f"{target.name}-wal").write_text("of another")


def no_folder(_: Path, target: Path) -> None:
    """Take the target's folder away."""
    target.parent.rmdir()


@pytest.mark.parametrize(
    ("prepare", "words"),
    [
        (link_to, "is the database itself"),
        (folder, "is no regular file"),
        (left_beside, "belongs to another database"),
        (no_folder, "is not there: make it"),
    ],
)
def test_what_must_not_be_overwritten(
    path: Path, target: Path, prepare: Callable[[Path, Path], None], words: str
) -> None:
    """Neither the database itself nor what is no file, however much somebody insists."""
    prepare(path, target)
    before = content(path)
    with pytest.raises(BackupError, match=words):
        back_up(path, target, overwrite=True)
    assert content(path) == before


@pytest.mark.parametrize("ending", ["-wal", "-shm", "-journal", ".lock"])
@pytest.mark.parametrize("is_there", [True, False])
def test_a_part_of_a_database_is_not_overwritten(
    path: Path, ending: str, *, is_there: bool
) -> None:
    """A copy in the place of a log or of a lock would spoil the database that it belongs to."""
    target = path.with_name(path.name + ending)
    if is_there:
        target.write_text("its own")
    with pytest.raises(BackupError, match=r"a part of the database ingest\.db"):
        back_up(path, target, overwrite=True)
    assert target.exists() == is_there
    assert not is_there or target.read_text() == "its own"


@pytest.mark.parametrize("name", ["-wal", ".lock", "other.lock"])
def test_a_name_that_only_looks_like_a_part_will_do(path: Path, target: Path, name: str) -> None:
    """Where there is no such database, there is nothing to spoil."""
    assert back_up(path, target.with_name(name)).report.faults == []


async def test_the_database_of_another_service_is_not_overwritten(path: Path, target: Path) -> None:
    """A file that a service works on is left alone, also with --force."""
    shutil.copy(path, target)
    lock = DatabaseLock(target)
    await lock.acquire()
    with pytest.raises(BackupError, match="of a running service"):
        back_up(path, target, overwrite=True)
    lock.release()


def test_no_database(path: Path, target: Path) -> None:
    """What is not there, is none, or is somebody else's is named; nothing is made."""
    with pytest.raises(InvalidValueError, match="There is no database"):
        back_up(path.with_name("none.db"), target)
    torn = path.with_name("torn.db")
    torn.write_bytes(b"SQLite format 3\0" + b"\xff" * 5000)
    with pytest.raises(DatabaseUnavailableError, match="cannot be copied"):
        back_up(torn, target)
    other = path.with_name("other.db")
    damage(other, "CREATE TABLE recipe (name TEXT)")
    with pytest.raises(DatabaseVersionError, match="holds no tables of the service"):
        back_up(other, target)
    assert list(target.parent.iterdir()) == []


def test_a_newer_version_is_refused(path: Path, target: Path) -> None:
    """What this program cannot check it does not call a backup."""
    damage(path, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(DatabaseVersionError, match=r"newer version of the service .*9999"):
        back_up(path, target)
    assert list(target.parent.iterdir()) == []


@pytest.mark.parametrize("version", ["0001", "0002", "0003", "0004"])
def test_an_earlier_version_is_copied(tmp_path: Path, target: Path, version: str) -> None:
    """Before an upgrade is when a backup is wanted most."""
    old = tmp_path / "old.db"
    make_database(old, version)
    made = back_up(old, target)
    assert (made.report.checks, made.report.faults) == (2, [])
    assert content(target) == content(old)


def test_a_copy_that_is_damaged_is_not_kept(path: Path, target: Path) -> None:
    """A database whose file is spoilt gives no backup, and what was there stays."""
    damage(path, "CREATE TABLE much (x TEXT)")
    damage(path, "CREATE INDEX of_much ON much (x)")
    damage(path, "INSERT INTO much VALUES ('one')")
    damage(path, "PRAGMA wal_checkpoint(TRUNCATE)")
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("DELETE FROM sqlite_schema WHERE name = 'of_much'")
    with pytest.raises(BackupError, match=r"is damaged: .*so it was not kept.*ingest db check"):
        back_up(path, target)
    assert list(target.parent.iterdir()) == []


async def test_rows_that_are_wrong_are_told_and_kept(path: Path, target: Path) -> None:
    """An unsound database is copied as it is, before somebody mends it."""
    database = Database(path)
    await started(database)
    await database.close()
    damage(path, "UPDATE batch_job_execution SET exit_code = 'FAILED'")
    made = back_up(path, target)
    assert [one.check for one in made.report.faults] == ["exit codes"]
    assert content(target) == content(path)


def test_no_room_leaves_nothing(path: Path, target: Path) -> None:
    """A copy that cannot be written is said in words, and removed."""
    program = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from ingest.errors import IngestError\n"
        "from ingest.storage.backup import back_up\n"
        "import signal\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))\n"
        "try:\n"
        "    back_up(Path(sys.argv[1]), Path(sys.argv[2]))\n"
        "except IngestError as error:\n"
        "    print(type(error).__name__, error)\n"
    )
    done = _python(program, path, target)
    assert done.startswith(("BackupError", "DatabaseUnavailableError")), done
    assert list(target.parent.iterdir()) == []


def test_a_backup_that_is_killed_leaves_nothing_under_the_name(path: Path, target: Path) -> None:
    """What it has left has another name, and goes with the next backup to the same file."""
    program = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "import ingest.storage.backup as module\n"
        "sys.addaudithook(lambda event, _: event == 'os.rename' and os.kill(os.getpid(), 9))\n"
        "module.back_up(Path(sys.argv[1]), Path(sys.argv[2]))\n"
    )
    _python(program, path, target)
    (left,) = target.parent.iterdir()
    assert left.name.startswith(f".{target.name}.")
    back_up(path, target)
    assert list(target.parent.iterdir()) == [target]


def test_a_backup_that_is_interrupted_leaves_nothing(path: Path, target: Path) -> None:
    """Ctrl-C is heard between two steps."""
    program = (
        "import sys, _thread\n"
        "from pathlib import Path\n"
        "from ingest.storage.backup import back_up\n"
        "def hook(event, _):\n"
        "    if event == 'sqlite3.connect':\n"
        "        _thread.interrupt_main()\n"
        "sys.addaudithook(hook)\n"
        "try:\n"
        "    back_up(Path(sys.argv[1]), Path(sys.argv[2]))\n"
        "except KeyboardInterrupt:\n"
        "    print('interrupted')\n"
    )
    assert _python(program, path, target).strip() == "interrupted"
    assert list(target.parent.iterdir()) == []


def _python(program: str, *arguments: Any) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr

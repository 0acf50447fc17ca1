"""The checker: it finds every kind of damage, and nothing in a database that is sound."""

import asyncio
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from ingest.bank.sample import make_sample_bank
from ingest.errors import InvalidValueError
from ingest.items.single import SingleItems
from ingest.jobs.engine import Abandoned
from ingest.storage.check import FINDINGS_MAX, INVARIANTS, Finding, Report, check_database
from ingest.storage.database import Database
from ingest.storage.lock import DatabaseLock
from ingest.storage.schema import NEWEST, upgrade
from tests.support.documents import item_content
from tests.support.job_bench import ASK, JobBench, WatchedBank
from tests.support.repositories import FolderKind

ITEMS = 12
#: The items that are there in the end: two more than the sample has.
ITEMS_LEFT = ITEMS + 2
#: Items of the sound database, the abandoned execution, and the last one that wrote.
ITEM, ABANDONED, WROTE = 7, 4, 5
LATER = "2999-01-01 00:00:00.000000"
RUNNING = "('STARTING', 'STARTED', 'STOPPING')"


async def _live(folder: FolderKind, database: Database) -> None:
    """Make history: jobs that complete, delete, are abandoned, and meet a problem."""
    bank = folder.bank()
    bench, single = JobBench(WatchedBank(bank), database), SingleItems(bank, database)
    (folder.root / "6").mkdir()
    gone = folder.item("5")
    gone.commit(item_content(5))
    await bench.synchronize()
    await bench.migrate()
    folder.remove("5")
    await bench.synchronize()
    item = folder.item(f"{ITEM}")
    item.commit(item_content(ITEM))
    bench.bank.halt_after_items = 1
    running = await bench.begin_synchronization()
    await bench.bank.halted.wait()
    assert isinstance(await bench.engine.abandon(running.instance, ASK, wait_s=10), Abandoned)
    folder.item("8").commit(item_content(8))
    await bench.synchronize()
    item.commit(item_content(ITEM))
    await single.synchronize(ITEM)
    await bench.migrate(from_stored=True)
    single.close()
    await bank.aclose()


@pytest.fixture(scope="session")
def lived_in(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database after real jobs, to be copied."""
    folder = tmp_path_factory.mktemp("lived-in")
    bank = FolderKind(folder / "bank")
    make_sample_bank(bank.root, items=ITEMS)
    path = folder / "ingest.db"

    async def live() -> None:
        database = Database(path)
        await upgrade(database)
        await _live(bank, database)
        await database.close()

    asyncio.run(live())
    return path


@pytest.fixture
def path(lived_in: Path, tmp_path: Path) -> Path:
    """Such a database, to be damaged."""
    return Path(shutil.copy(lived_in, tmp_path / "ingest.db"))


@contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a database to do whatever one likes to it."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        yield connection


def damaged(path: Path, *statements: str) -> Report:
    """Damage a database, and check it."""
    with opened(path) as connection:
        for statement in statements:
            assert connection.execute(statement).rowcount != 0, statement
    return check_database(path)


def named(report: Report, check: str) -> list[Finding]:
    """Return what was found of one check."""
    return [one for one in report.findings if one.check == check]


def test_a_sound_database_has_no_finding(path: Path) -> None:
    """After real jobs there is nothing to find, and it is told what was looked at."""
    report = check_database(path)
    assert report.findings == ()
    assert (report.executions, report.items) == (6, ITEMS_LEFT)
    assert report.checks == len(INVARIANTS) + 4
    with opened(path) as connection:
        statuses = {row[0] for row in connection.execute("SELECT status FROM batch_job_execution")}
    assert statuses == {"COMPLETED", "ABANDONED"}


def test_an_empty_database_is_sound(empty_database: Path, tmp_path: Path) -> None:
    """So is one in which nothing has ever run."""
    copy = shutil.copy(empty_database, tmp_path / "ingest.db")
    assert check_database(Path(copy)).findings == ()


def _set(column: str, value: str, execution: int = WROTE, table: str = "job_execution") -> str:
    return f"UPDATE batch_{table} SET {column} = {value} WHERE job_execution_id = {execution}"


EVENTS = "batch_job_execution_event"
DAMAGE = [
    ("both job instances", "UPDATE batch_job_instance SET job_name = 'x' WHERE job_instance_id=2"),
    (
        "one running execution an instance",
        "DROP INDEX ux_batch_job_execution_running",
        _set("status", "'STARTED'", 1),
        _set("status", "'STOPPING'", 3),
    ),
    ("exit codes", _set("exit_code", "'FAILED'")),
    ("exit codes", _set("exit_code", "'ABANDONED'", ABANDONED)),
    ("exit codes", _set("status", "'STARTED'")),
    ("end times", _set("end_time", "NULL")),
    ("end times", _set("status", "'STARTED'")),
    ("no right to write after the end", _set("owner", "'somebody'")),
    ("ends in the history", f"DELETE FROM {EVENTS} WHERE event = 'ended'"),
    ("ends in the history", f"UPDATE {EVENTS} SET event = 'ended'"),
    ("stops in the history", f"DELETE FROM {EVENTS} WHERE event = 'stop asked'"),
    ("stops in the history", _set("status", "'STOPPED'")),
    ("histories in order", f"DELETE FROM {EVENTS} WHERE event = 'requested'"),
    ("histories in order", f"DELETE FROM {EVENTS} WHERE event = 'started'"),
    (
        "histories in order",
        f"UPDATE {EVENTS} SET event_id = event_id + 1000 WHERE event = 'stop asked'",
    ),
    (
        "histories in order",
        f"UPDATE {EVENTS} SET event_id = event_id + 1000 WHERE event = 'requested'",
    ),
    ("histories in order", f"DELETE FROM {EVENTS} WHERE job_execution_id = {ABANDONED}"),
    ("execution times", _set("end_time", "'2000-01-01 00:00:00.000000'")),
    ("execution times", _set("create_time", "'2999-01-01 00:00:00.000000'")),
    ("execution times", _set("last_updated", "start_time")),
    ("steps and progress", "DELETE FROM batch_step_execution WHERE job_execution_id = 1"),
    ("steps and progress", "DELETE FROM batch_job_execution_progress WHERE job_execution_id = 1"),
    ("steps and progress", _set("start_time", "NULL")),
    ("steps end with their execution", _set("status", "'STARTED'", table="step_execution")),
    (
        "steps end with their execution",
        _set("status", "'ABANDONED'", ABANDONED, table="step_execution"),
    ),
    ("steps end with their execution", _set("exit_code", "'FAILED'", table="step_execution")),
    ("steps end with their execution", _set("end_time", "NULL", table="step_execution")),
    ("step counters", _set("write_count", "write_count + 1", table="step_execution")),
    ("step counters", _set("filter_count", "filter_count + 1", table="step_execution")),
    ("step counters", _set("process_skip_count", "9", table="step_execution")),
    ("step counters", _set("read", "9", table="job_execution_progress")),
    ("progress within the total", _set("total", "processed - 1", table="job_execution_progress")),
    ("checkpoints", "UPDATE batch_job_execution_context SET checkpoint = '{'"),
    (
        "resumed is only what was cut short",
        f"UPDATE {EVENTS} SET event = 'checkpoint resumed' WHERE event = 'started'",
    ),
    ("listings", "UPDATE bank_scan SET finished = NULL WHERE bank_scan_id = 1"),
    ("completed synchronizations have listed all", "UPDATE bank_scan SET complete = 0"),
    (
        "the log names no more items than are counted",
        _set("created", "created - 1", table="job_execution_progress"),
    ),
    (
        "the log names no more items than are counted",
        f"UPDATE item_log SET job_execution_id = {WROTE} WHERE job_execution_id = 1",
    ),
    (
        "the log names all items that are counted",
        f"DELETE FROM item_log WHERE job_execution_id = {WROTE}",
    ),
    ("items have a place in the bank", "DELETE FROM item_git WHERE bank_key = '8'"),
    ("items have their own place in the bank", "UPDATE item SET id = 9 WHERE id = 8"),
    ("items have a log that names where they stand", "DELETE FROM item_log WHERE item_key = 2"),
    (
        "items have a log that names where they stand",
        "UPDATE item_git SET current_commit_hash = 'x' WHERE bank_key = '8'",
    ),
    ("keywords are indexed", "DELETE FROM item_keyword_fts_docsize WHERE id = 9"),
    (
        "the index knows no other keywords",
        "DROP TRIGGER item_keyword_fts_delete",
        "DELETE FROM item_keyword WHERE item_keyword_id = 9",
    ),
    ("problems", "UPDATE ingest_problem SET attempts = 0"),
    (
        "problems",
        "UPDATE ingest_problem SET bank_key = g.bank_key, commit_hash = revision FROM item_git g",
    ),
    ("rows belong to rows that are there", "DELETE FROM item WHERE id = 8"),
    ("rows belong to rows that are there", "DELETE FROM batch_job_execution"),
    ("the schema is the newest", "DROP TABLE bank_scan"),
    ("the schema is the newest", "UPDATE alembic_version SET version_num = '9999'"),
    ("exit codes", _set("status", "'ODD'")),
    ("times can be read", _set("create_time", "'garbage'")),
    ("what runs is run by somebody", _set("status", "'STARTED'")),
]


@pytest.mark.parametrize(("check", *["statements"]), [(one[0], one[1:]) for one in DAMAGE])
def test_damage_is_found(path: Path, check: str, statements: tuple[str, ...]) -> None:
    """What breaks an invariant is told with the thing, its id, what is wrong and what to do."""
    found = named(damaged(path, *statements), check)
    assert found
    assert all(one.thing and one.id and one.wrong and one.remedy for one in found)


def test_every_check_is_tried() -> None:
    """There is no invariant that was never seen to be broken."""
    assert {one.name for one in INVARIANTS} <= {one[0] for one in DAMAGE}


def test_a_finding_reads_as_a_sentence(path: Path) -> None:
    """It names the execution, what is wrong with it, and the way out."""
    (found,) = damaged(path, _set("exit_code", "'FAILED'", ABANDONED)).faults[:1]
    assert str(found).startswith("execution 4 is ABANDONED with exit code FAILED. What to do: ")


def test_items_deleted_one_by_one_are_no_fault(path: Path) -> None:
    """They leave no trace, so a log that names too few items is only worth a note."""
    statements = (
        f"DELETE FROM {table} WHERE item_key IN (SELECT key FROM item WHERE id = 8)"
        for table in ("item_git", "item_log", "item_keyword", "item_attachment")
    )
    report = damaged(path, *list(statements)[:3], "DELETE FROM item WHERE id = 8")
    assert report.faults == []
    assert [(note.thing, note.id) for note in report.notes] == [("execution", f"{WROTE}")]


def test_many_findings_of_a_kind_are_not_all_told(path: Path) -> None:
    """After some of them it is said how many there are more."""
    with opened(path) as connection:
        connection.execute("DROP TRIGGER item_keyword_fts_delete")
        count = connection.execute("DELETE FROM item_keyword").rowcount
    found = named(check_database(path), "the index knows no other keywords")
    assert len(found) == FINDINGS_MAX + 1
    assert (found[-1].thing, found[-1].id) == ("and", str(count - FINDINGS_MAX))


async def test_what_runs_while_somebody_owns_the_database_is_no_finding(path: Path) -> None:
    """Without an owner it is a note that the next start settles it, and with one nothing."""
    with opened(path) as connection:
        connection.execute(
            "INSERT INTO batch_job_execution "
            "(job_instance_id, create_time, last_updated, status, exit_code, owner) "
            f"VALUES (1, '{LATER}', '{LATER}', 'STARTING', 'EXECUTING', 'me')"
        )
        connection.execute(
            f"INSERT INTO {EVENTS} (job_execution_id, at, event, actor) "
            f"SELECT max(job_execution_id), '{LATER}', 'requested', 'me' FROM batch_job_execution"
        )
    report = check_database(path)
    assert report.faults == []
    assert [str(note).partition(", and ")[0] for note in report.notes] == [
        "execution 7 is STARTING"
    ]
    assert not list(path.parent.glob("*.lock"))

    lock = DatabaseLock(path)
    await lock.acquire()
    assert check_database(path).findings == ()
    lock.release()
    assert len(check_database(path).notes) == 1
    await lock.acquire()
    lock.release()


def test_a_file_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    """The message names the file and the option; no file appears."""
    with pytest.raises(InvalidValueError, match=r"none\.db.*--database"):
        check_database(tmp_path / "none.db")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"no database at all, but long enough to look at" * 9])
def test_a_file_that_is_no_database(tmp_path: Path, content: bytes) -> None:
    """It is a finding and not a traceback."""
    path = tmp_path / "ingest.db"
    path.write_bytes(content)
    assert len(check_database(path).faults) == 1
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    ("version", "remedy"), [("0002", "start the service once"), ("9999", "run the newer version")]
)
def test_another_schema_version(path: Path, version: str, remedy: str) -> None:
    """An older one is brought up by a start; a newer one is refused by it, and may lack tables."""
    report = damaged(
        path, f"UPDATE alembic_version SET version_num = '{version}'", "DROP TABLE planned_change"
    )
    (found,) = report.faults
    assert found.wrong == f"is of schema version {version}, and this program of {NEWEST}"
    assert found.remedy.startswith(remedy)


def test_a_torn_file_is_found(path: Path) -> None:
    """Pages that were overwritten do not go unseen."""
    content = bytearray(path.read_bytes())
    content[8192 : len(content) // 2] = b"\xff" * (len(content) // 2 - 8192)
    path.write_bytes(content)
    assert named(check_database(path), "the file is whole")


def test_nothing_is_changed(path: Path) -> None:
    """The file has the very same bytes afterwards."""
    before = path.read_bytes()
    check_database(path)
    assert path.read_bytes() == before

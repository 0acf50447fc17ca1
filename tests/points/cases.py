"""What the enumerations run: a small synchronization and a small migration, made once.

A case is made of files alone, so that a process which may hold nothing open can use it too.
"""

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Final

from attrs import frozen

from ingest.bank.folder import FolderBank
from ingest.bank.sample import FIRST_ID, make_sample_bank
from ingest.items.job import Job
from ingest.items.migration import Migration
from ingest.items.synchronization import Synchronization
from ingest.storage.database import Database
from ingest.storage.schema import upgrade
from tests.points.records import Content, Execution, content, executions
from tests.support.documents import item_document
from tests.support.git_bank import commit_item, make_repository
from tests.support.job_bench import JobBench, WatchedBank

JOBS: Final[dict[str, Callable[[FolderBank], Job]]] = {
    "synchronization": Synchronization,
    "migration": Migration,
}

_STORED, _NEW = range(6), range(6, 8)
_CHANGED, _GONE = (1, 3), 2
_HEALED, _STALE, _BROKEN, _BAD, _STILL_BAD = range(8, 13)

#: What makes the stored rows other than a migration would have them today.
_DAMAGE: Final = (
    ("UPDATE item SET derivation_version = 0 WHERE id = ?", 0),
    ("UPDATE item SET derivation_version = 0 WHERE id = ?", 2),
    ("DELETE FROM item_keyword WHERE item_key = (SELECT key FROM item WHERE id = ?)", 4),
    ("DELETE FROM item_form WHERE item_key = (SELECT key FROM item WHERE id = ?)", 4),
    ("UPDATE item SET subject = 'spoilt' WHERE id = ?", 5),
)


@frozen(kw_only=True)
class Case:
    """A job, the bank, the database before it, and what an undisturbed run makes of that."""

    name: str
    bank: Path
    prepared: Path
    before: Content
    after: Content
    #: The undisturbed execution.
    clean: Execution
    #: How many executions there are before.
    executions: int

    @classmethod
    def load(cls, folder: Path, name: str) -> "Case":
        """Read the case that `make_cases` has put into *folder*."""
        prepared, finished = folder / f"{name}.db", folder / f"{name}-finished.db"
        return cls(
            name=name,
            bank=folder / "bank",
            prepared=prepared,
            before=content(prepared),
            after=content(finished),
            clean=executions(finished)[-1],
            executions=len(executions(prepared)),
        )

    def job(self, bank: FolderBank) -> Job:
        """Make the job."""
        return JOBS[self.name](bank)


async def make_cases(folder: Path) -> None:
    """Make the bank, and each job's database before and after."""
    bank, synchronized = folder / "bank", folder / "synchronization.db"
    new = folder / "new"
    make_sample_bank(bank, items=8)
    new.mkdir()
    for number in _NEW:
        _item(bank, number).rename(_item(new, number))
    _item(bank, _STALE).mkdir()
    for number in (_HEALED, _STILL_BAD):
        commit_item(make_repository(_item(bank, number)), b"no JSON")
    await _run(bank, synchronized, "synchronization")

    for number in _NEW:
        _item(new, number).rename(_item(bank, number))
    for number in (*_CHANGED, _HEALED):
        for subject in ("Math", "ELA"):
            changed = item_document(FIRST_ID + number, **{"core.metadata.subject": subject})
            commit_item(_item(bank, number), changed)
    shutil.rmtree(_item(bank, _GONE))
    _item(bank, _STALE).rmdir()
    _item(bank, _BROKEN).mkdir()
    commit_item(make_repository(_item(bank, _BAD)), b"no JSON either")

    shutil.copyfile(synchronized, folder / "migration.db")
    with sqlite3.connect(folder / "migration.db") as connection:
        for statement, number in _DAMAGE:
            connection.execute(statement, (FIRST_ID + number,))
    connection.close()
    for name in JOBS:
        shutil.copyfile(folder / f"{name}.db", folder / f"{name}-finished.db")
        await _run(bank, folder / f"{name}-finished.db", name)


async def _run(folder: Path, path: Path, name: str) -> None:
    database, bank = Database(path), FolderBank(folder)
    try:
        await upgrade(database)
        bench = JobBench(WatchedBank(bank), database)
        await (bench.synchronize() if name == "synchronization" else bench.migrate())
    finally:
        await bank.aclose()
        await database.close()


def _item(folder: Path, number: int) -> Path:
    plain = folder / f"{FIRST_ID + number}"  # as some of the sample's repositories are
    return plain if plain.exists() else plain.with_suffix(".git")

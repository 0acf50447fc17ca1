"""Whether a database is sound: looked at from outside, without changing anything."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

from attrs import frozen

from ingest.errors import DatabaseUnavailableError, DatabaseVersionError, InvalidValueError
from ingest.storage.invariants import Invariant
from ingest.storage.item_invariants import ITEM_INVARIANTS
from ingest.storage.job_invariants import JOB_INVARIANTS
from ingest.storage.lock import is_owned
from ingest.storage.schema import NEWEST
from ingest.storage.tables import metadata
from ingest.storage.time_invariants import TIME_INVARIANTS

INVARIANTS: Final = (*JOB_INVARIANTS, *ITEM_INVARIANTS, *TIME_INVARIANTS)

#: So many findings of a kind are told one by one.
FINDINGS_MAX: Final = 20

_INTEGRITY: Final = "the file is whole"
_REFERENCES: Final = "rows belong to rows that are there"
_VERSION: Final = "the schema is the newest"
_OWNER: Final = "what runs is run by somebody"
_RESTORE: Final = "keep a copy, and restore a backup, or let the service make another file"

#: The checks that are no query.
_OTHERS: Final = (_INTEGRITY, _REFERENCES, _VERSION, _OWNER)

_RUNNING: Final = """
    SELECT job_execution_id, status FROM batch_job_execution
    WHERE status IN ('STARTING', 'STARTED', 'STOPPING') ORDER BY job_execution_id
"""


@frozen(kw_only=True)
class Finding:
    """Something in a database that is not as it should be, in words a person can act on."""

    #: The name of the invariant that does not hold.
    check: str
    #: What it was found with, such as an execution; `id` says which.
    thing: str
    id: str
    wrong: str
    remedy: str
    #: Whether the database is unsound; else it is good to know, and no more.
    is_fault: bool = True

    @property
    def is_of_file(self) -> bool:
        """Whether it is the file itself that is damaged, and not what its rows say."""
        return self.check == _INTEGRITY

    def __str__(self) -> str:
        return f"{self.thing} {self.id} {self.wrong}. What to do: {self.remedy}"


@frozen(kw_only=True)
class Report:
    """What was looked at, and what was found."""

    checks: int
    executions: int
    items: int
    findings: tuple[Finding, ...]

    @property
    def faults(self) -> list[Finding]:
        """The findings that make the database unsound."""
        return [one for one in self.findings if one.is_fault]

    @property
    def notes(self) -> list[Finding]:
        """The findings that do not."""
        return [one for one in self.findings if not one.is_fault]


def check_database(path: Path, *, busy_timeout_s: float = 5.0) -> Report:
    """Check one state of the database at *path*, also while a service works on it.

    Nothing is written and nothing is made, but for SQLite's own ``-shm`` and ``-wal`` files.

    Raises:
        InvalidValueError: There is no such file.
        DatabaseUnavailableError: It cannot be read now.
    """
    require_file(path)
    try:
        with opened(path, busy_timeout_s) as connection:
            return _check(connection, path)
    except sqlite3.OperationalError as error:
        raise DatabaseUnavailableError(f"The database {path} cannot be used: {error}") from error
    except sqlite3.DatabaseError as error:  # no database at all, or one that is torn
        torn = _of_file(path, f"cannot be read as a database: {error}", _RESTORE)
        return Report(checks=1, executions=0, items=0, findings=(torn,))


def require_file(path: Path) -> None:
    """Return if there is a file to look at.

    Raises:
        InvalidValueError: There is none.
    """
    if not path.is_file():
        raise InvalidValueError(f"There is no database {path}: name one with --database FILE")


def check_copy(path: Path) -> Report:
    """Check a copy that nobody has open, leaving nothing beside it.

    One of an earlier version is checked for being whole, and for nothing that its rows say.

    Raises:
        DatabaseUnavailableError: It cannot be read now.
    """
    try:
        with opened(path, 0, is_copy=True) as connection:
            if _versions(connection) == [NEWEST]:
                return _check(connection, path)
            found = [*_integrity(connection, path), *_references(connection)]
            executions, items = _sizes(connection)
            return Report(checks=2, executions=executions, items=items, findings=tuple(found))
    except sqlite3.OperationalError as error:
        raise DatabaseUnavailableError(f"The copy {path} cannot be used: {error}") from error
    except sqlite3.DatabaseError as error:
        torn = _of_file(path, f"cannot be read as a database: {error}", _RESTORE)
        return Report(checks=1, executions=0, items=0, findings=(torn,))


def refuse_other_version(connection: sqlite3.Connection, path: Path) -> None:
    """Return if the database is of this version or of an earlier one.

    Raises:
        DatabaseVersionError: It is of a newer one, or holds no tables of the service.
    """
    versions = _versions(connection)
    if not versions:
        raise DatabaseVersionError(
            f"The database {path} holds no tables of the service: name the service's own"
        )
    if max(versions) > NEWEST:
        raise DatabaseVersionError(
            f"The database {path} was made by a newer version of the service (its schema is "
            f"{max(versions)}, and this program's {NEWEST}): use that version's own command"
        )


@contextmanager
def opened(
    path: Path, busy_timeout_s: float, *, is_copy: bool = False
) -> Iterator[sqlite3.Connection]:
    """Open a database only to look at it; *is_copy* says that nobody else has it open."""
    # Read-only by its mode: the last one to close a writable connection would checkpoint.
    uri = f"{path.resolve().as_uri()}?{'immutable=1' if is_copy else 'mode=ro'}"
    with closing(sqlite3.connect(uri, uri=True, timeout=busy_timeout_s)) as connection:
        connection.isolation_level = None
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA query_only = ON")
        yield connection


def _check(connection: sqlite3.Connection, path: Path) -> Report:
    connection.execute("BEGIN")
    found = _schema_version(connection, path)
    if found:
        return Report(checks=1, executions=0, items=0, findings=tuple(found))
    found = [*_integrity(connection, path), *_references(connection)]
    for invariant in INVARIANTS:
        found += _broken(connection, invariant)
    running = _running(connection)
    executions, items = _sizes(connection)
    connection.execute("COMMIT")
    found += _unowned(connection, path, running)
    return Report(
        checks=len(_OTHERS) + len(INVARIANTS),
        executions=executions,
        items=items,
        findings=tuple(found),
    )


def _sizes(connection: sqlite3.Connection) -> tuple[int, int]:
    executions, items = (
        connection.execute(query).fetchone()[0]
        for query in ("SELECT count(*) FROM batch_job_execution", "SELECT count(*) FROM item")
    )
    return executions, items


def _versions(connection: sqlite3.Connection) -> list[str]:
    """Return the version on record; more than one only in a database spoilt by hand."""
    query = "SELECT name FROM sqlite_schema WHERE name = 'alembic_version'"
    if connection.execute(query).fetchone() is None:
        return []
    return [row[0] for row in connection.execute("SELECT version_num FROM alembic_version")]


def _schema_version(connection: sqlite3.Connection, path: Path) -> list[Finding]:
    tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_schema")}
    if "alembic_version" not in tables:
        wrong = "holds no tables of the service"
        return [_of_file(path, wrong, "name the service's own database", check=_VERSION)]
    versions = _versions(connection)
    wrong = f"is of schema version {', '.join(versions) or 'none'}, and this program of {NEWEST}"
    if max(versions, default="") > NEWEST:
        remedy = "run the newer version of the service, which made it: this one refuses it"
        return [_of_file(path, wrong, remedy, check=_VERSION)]
    if versions == [NEWEST]:
        missing = {*metadata.tables, "item_keyword_fts", "item_keyword_fts_docsize"} - tables
        if not missing:
            return []
        wrong = f"has lost tables: {', '.join(sorted(missing))}"
        return [_of_file(path, wrong, _RESTORE, check=_VERSION)]
    remedy = "start the service once, or run ingest db upgrade, which brings it up"
    return [_of_file(path, wrong, remedy, check=_VERSION)]


def _integrity(connection: sqlite3.Connection, path: Path) -> Iterator[Finding]:
    for (line,) in connection.execute(f"PRAGMA integrity_check({FINDINGS_MAX})"):
        if line != "ok":
            yield _of_file(path, f"is damaged: {line}", _RESTORE)


def _references(connection: sqlite3.Connection) -> Iterator[Finding]:
    rows = connection.execute("PRAGMA foreign_key_check").fetchall()
    for table, row_id, parent, _ in rows[:FINDINGS_MAX]:
        yield Finding(
            check=_REFERENCES,
            thing=f"row of {table}",
            id=str(row_id),
            wrong=f"belongs to a row of {parent} that is not there",
            remedy="stop the service and delete it: nothing refers to it",
        )
    yield from _others(_REFERENCES, len(rows))


def _broken(connection: sqlite3.Connection, invariant: Invariant) -> Iterator[Finding]:
    rows = connection.execute(invariant.sql).fetchall()
    for row in rows[:FINDINGS_MAX]:
        columns: dict[str, Any] = {key: row[key] for key in row.keys()}  # noqa: SIM118 - no dict
        yield Finding(
            check=invariant.name,
            thing=invariant.thing,
            id=str(columns["id"]),
            wrong=invariant.wrong.format_map(columns),
            remedy=invariant.remedy,
            is_fault=invariant.is_fault,
        )
    yield from _others(invariant.name, len(rows), is_fault=invariant.is_fault)


def _others(check: str, count: int, *, is_fault: bool = True) -> Iterator[Finding]:
    if count > FINDINGS_MAX:
        yield Finding(
            check=check,
            thing="and",
            id=str(count - FINDINGS_MAX),
            wrong="others like it",
            remedy="as above",
            is_fault=is_fault,
        )


def _running(connection: sqlite3.Connection) -> list[tuple[int, str]]:
    return [(row[0], row[1]) for row in connection.execute(_RUNNING)]


def _unowned(
    connection: sqlite3.Connection, path: Path, running: list[tuple[int, str]]
) -> Iterator[Finding]:
    """Tell of what is on record as running while no service has the database."""
    if not running or is_owned(path):
        return
    # A service that ended in order between the two looks has left nothing running.
    still = set(_running(connection)) & set(running)
    for execution_id, status in sorted(still):
        yield Finding(
            check=_OWNER,
            thing="execution",
            id=str(execution_id),
            wrong=f"is {status}, and no service has the database",
            remedy="nothing: the next start of the service records it as FAILED",
            is_fault=False,
        )


def _of_file(path: Path, wrong: str, remedy: str, *, check: str = _INTEGRITY) -> Finding:
    return Finding(check=check, thing="database", id=str(path), wrong=wrong, remedy=remedy)

"""What is on record, read past the code under test: with the driver alone."""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

from attrs import frozen

#: Everything of one item but keys and which execution logged it.
ItemFacts = tuple[Any, ...]


@frozen
class Content:
    """What the item tables hold, comparable between databases."""

    items: Mapping[int, ItemFacts]
    problems: Mapping[str, tuple[Any, ...]]


@frozen(kw_only=True)
class Execution:
    """An execution with all the rows that are its own."""

    row: Mapping[str, Any]
    progress: Mapping[str, Any] | None
    steps: list[Mapping[str, Any]]
    events: list[str]
    #: How many items it has logged.
    logged: int

    @property
    def status(self) -> str:
        """Its status."""
        return str(self.row["status"])

    @property
    def message(self) -> str:
        """Its exit message."""
        return str(self.row["exit_message"])


@contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a database for looking at it."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA query_only = ON")
        connection.row_factory = sqlite3.Row
        yield connection


def content(path: Path) -> Content:
    """Return the items and the problems."""
    with opened(path) as connection, _one_state(connection):
        git = _children(connection, "item_git", "bank_key")
        log = _children(connection, "item_log", "item_log_id")
        keywords = _children(connection, "item_keyword", "item_keyword_id")
        attachments = _children(connection, "item_attachment", "file_type, file_name")
        forms = _children(connection, "item_form", "item_form_id")
        needs = _children(connection, "item_content_update_need", "item_content_update_need_id")
        assignments = _children(connection, "item_assignment", "item_assignment_id")
        children = (git, log, keywords, attachments, forms, needs, assignments)
        items = {}
        for row in connection.execute("SELECT * FROM item"):
            key = row["key"]
            items[row["id"]] = (
                *(row[name] for name in row.keys() if name != "key"),  # noqa: SIM118  # a row has no names otherwise
                *(tuple(of.get(key, ())) for of in children),
            )
        problems = {
            row["bank_key"]: (row["path"], row["kind"], row["message"], row["commit_hash"])
            for row in connection.execute("SELECT * FROM ingest_problem")
        }
    return Content(items, problems)


def executions(path: Path) -> list[Execution]:
    """Return all executions, oldest first."""
    with opened(path) as connection, _one_state(connection):
        rows = connection.execute("SELECT * FROM batch_job_execution ORDER BY job_execution_id")
        return [_execution(connection, dict(row)) for row in rows.fetchall()]


_LOGGED: Final = "SELECT count(DISTINCT item_key) FROM item_log WHERE job_execution_id = ?"


def _execution(connection: sqlite3.Connection, row: Mapping[str, Any]) -> Execution:
    def of(table: str) -> list[Mapping[str, Any]]:
        query = f"SELECT * FROM {table} WHERE job_execution_id = ? ORDER BY 1"  # noqa: S608  # named here
        return [dict(one) for one in connection.execute(query, (row["job_execution_id"],))]

    return Execution(
        row=row,
        progress=next(iter(of("batch_job_execution_progress")), None),
        steps=of("batch_step_execution"),
        events=[one["event"] for one in of("batch_job_execution_event")],
        logged=connection.execute(_LOGGED, (row["job_execution_id"],)).fetchone()[0],
    )


_OWN_KEYS: Final = frozenset(
    [
        *("item_key", "item_log_id", "item_keyword_id", "item_attachment_id", "item_form_id"),
        *("item_content_update_need_id", "item_assignment_id", "job_execution_id"),
    ]
)


def _children(
    connection: sqlite3.Connection, table: str, order: str
) -> dict[int, list[tuple[Any, ...]]]:
    found: dict[int, list[tuple[Any, ...]]] = {}
    for row in connection.execute(f"SELECT * FROM {table} ORDER BY {order}"):  # noqa: S608  # named here
        names = [name for name in row.keys() if name not in _OWN_KEYS]  # noqa: SIM118  # a row has no names otherwise
        found.setdefault(row["item_key"], []).append(tuple(row[name] for name in names))
    return found


@contextmanager
def _one_state(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")

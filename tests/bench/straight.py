"""The floors that are straight scripts: the service's reads and rows, and nothing around them."""

import os
import sqlite3
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import pygit2
from attrs import astuple, define, field, fields_dict
from pygit2.enums import RepositoryOpenFlag

from ingest.bank.repository import (
    branch_name,
    first_parents,
    head_revision,
    open_repository,
    read_documents,
)
from ingest.items.derivation import derive
from ingest.model.columns import ITEM_COLUMNS
from ingest.model.item import (
    Assignment,
    ContentUpdateNeed,
    Derived,
    Form,
    History,
    Ingested,
    ItemRow,
)

Statement = tuple[str, list[tuple[Any, ...]]]

#: What the service asks of SQLite, asked here as well: the same file, as safe, as consistent.
PRAGMAS: Final = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
)

TRANSACTION_ITEMS: Final = 500

_ITEM_NAMES: Final = tuple(column.name for column in ITEM_COLUMNS)


def _insert(table: str, *names: str) -> str:
    marks = ", ".join("?" * len(names))
    return f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks})"  # noqa: S608 - all of it ours


_ITEM = _insert("item", "key", *_ITEM_NAMES)
_GIT = _insert(
    "item_git",
    *("item_key", "bank_key", "path", "branch"),
    *("current_commit_hash", "current_commit_at", "revision"),
)
_LOG = _insert("item_log", "item_key", "commit_hash", "committed_at", "author")
_KEYWORD = _insert("item_keyword", "item_key", "section", "content")
_ATTACHMENT = _insert("item_attachment", "item_key", "file_type", "file_name", "uploaded_at")
_FORM = _insert("item_form", "item_key", *fields_dict(Form))
_NEED = _insert("item_content_update_need", "item_key", *fields_dict(ContentUpdateNeed))
_ASSIGNMENT = _insert("item_assignment", "item_key", *fields_dict(Assignment))

#: What an item has many of, but for its log.
LIST_TABLES: Final = (
    *("item_keyword", "item_attachment", "item_form"),
    *("item_content_update_need", "item_assignment"),
)


@define
class Rows:
    """The rows of some new items, as the driver takes them."""

    items: list[tuple[Any, ...]] = field(factory=list)
    git: list[tuple[Any, ...]] = field(factory=list)
    log: list[tuple[Any, ...]] = field(factory=list)
    keywords: list[tuple[Any, ...]] = field(factory=list)
    attachments: list[tuple[Any, ...]] = field(factory=list)
    forms: list[tuple[Any, ...]] = field(factory=list)
    needs: list[tuple[Any, ...]] = field(factory=list)
    assignments: list[tuple[Any, ...]] = field(factory=list)

    def add(self, key: int, derived: Derived) -> None:
        """Take in an item under the primary key that it is to have."""
        if not isinstance(derived, Ingested):
            return
        row, commit = derived.row, derived.commit
        self.items.append((key, *values_of(row)))
        place = (key, derived.key, derived.path, derived.branch)
        self.git.append((*place, commit.hash, _plain(commit.committed_at), derived.revision))
        self.log += [(key, one.hash, _plain(one.committed_at), one.author) for one in derived.log]
        self.add_lists(key, row)

    def add_lists(self, key: int, row: ItemRow) -> None:
        """Take in what an item has many of."""
        self.keywords += [(key, one.section, one.content) for one in row.keywords]
        self.attachments += [
            (key, one.file_type, one.file_name, _plain(one.uploaded_at)) for one in row.attachments
        ]
        self.forms += [(key, *astuple(one)) for one in row.forms]
        self.needs += [(key, *map(_plain, astuple(one))) for one in row.content_update_needs]
        self.assignments += [(key, *map(_plain, astuple(one))) for one in row.assignments]

    def statements(self) -> list[Statement]:
        """Return what `executemany` is to be called with."""
        return [
            (_ITEM, self.items),
            (_GIT, self.git),
            (_LOG, self.log),
            (_KEYWORD, self.keywords),
            (_ATTACHMENT, self.attachments),
            (_FORM, self.forms),
            (_NEED, self.needs),
            (_ASSIGNMENT, self.assignments),
        ]


def values_of(row: ItemRow) -> list[Any]:
    """Return an item's values in the order of its columns, but for its primary key."""
    return [_plain(row.values[name]) for name in _ITEM_NAMES]


def _plain(value: Any) -> Any:
    """Return a value as the service stores it; times are UTC."""
    if isinstance(value, datetime):
        return value.replace(tzinfo=None).isoformat(" ", "microseconds")
    return value


def repositories(bank: Path) -> list[Path]:
    """List the bank's repositories, by ascending id."""
    return [bank / name for name in sorted(os.listdir(bank))]  # noqa: PTH208 - slower


def read_item(path: Path) -> Derived:
    """Read one item with its whole history, by the service's own functions."""
    repository = open_repository(path)
    revision = head_revision(repository)
    if revision is None:
        raise ValueError(f"{path} has no commit")
    commits, is_whole = first_parents(repository, revision, None, _go_on)
    history = History(
        key=path.name.removesuffix(".git"),
        path=str(path),
        branch=branch_name(repository),
        revision=revision,
        is_whole=is_whole,
        documents=read_documents(repository, ((one, one.tree) for one in commits), _go_on),
    )
    return derive(history, None)


def _go_on() -> None:
    """Never give up."""


def first(bank: Path, database: Path) -> float:
    """Ingest the bank into a database that has the schema and no items; return the seconds."""
    began = time.perf_counter()
    connection = sqlite3.connect(database, isolation_level=None)
    for pragma in PRAGMAS:
        connection.execute(pragma)
    rows = Rows()
    for key, path in enumerate(repositories(bank), 1):
        rows.add(key, read_item(path))
        if key % TRANSACTION_ITEMS == 0:
            _write(connection, rows)
            rows = Rows()
    _write(connection, rows)
    connection.close()
    return time.perf_counter() - began


def _write(connection: sqlite3.Connection, rows: Rows) -> None:
    connection.execute("BEGIN IMMEDIATE")
    for statement, values in rows.statements():
        connection.executemany(statement, values)
    connection.execute("COMMIT")


def unchanged(bank: Path, database: Path) -> float:
    """Compare every HEAD with what is stored; return the seconds.

    Raises:
        ValueError: Something has changed.
    """
    began = time.perf_counter()
    connection = sqlite3.connect(database)
    stored = dict(connection.execute("SELECT bank_key, revision FROM item_git"))
    connection.close()
    for key, revision in _heads(bank):
        if stored.get(key) != revision:
            raise ValueError(f"item {key} is at {revision}, and {stored.get(key)} is stored")
    return time.perf_counter() - began


def _heads(bank: Path) -> Iterator[tuple[str, str]]:
    for path in repositories(bank):
        repository = pygit2.Repository(str(path), RepositoryOpenFlag.NO_SEARCH)
        yield path.name.removesuffix(".git"), str(repository.head.target)

"""The floor of a migration: every stored row derived anew, by a straight script."""

import sqlite3
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from attrs import define, field, fields

from ingest.items.derivation import rederive
from ingest.model.columns import ITEM_COLUMNS
from ingest.model.item import HistoryFacts, ItemRow
from tests.bench import straight

_FACTS: Final = tuple((fact.name, fact.name.endswith("_at")) for fact in fields(HistoryFacts))
_NAMES: Final = tuple(column.name for column in ITEM_COLUMNS)
_STORED: Final = (
    "SELECT key, id, bank_key, item_json, is_being_created, current_commit_hash,"  # noqa: S608 - all of it ours
    f" current_commit_at, {', '.join(name for name, _ in _FACTS)}"
    " FROM item JOIN item_git ON item_key = key WHERE id > ? ORDER BY id LIMIT ?"
)
_UPDATE: Final = f"UPDATE item SET {', '.join(f'{name} = ?' for name in _NAMES)} WHERE key = ?"  # noqa: S608 - all of it ours


@define
class _Page:
    """The rows of some items that were stored before."""

    items: list[tuple[Any, ...]] = field(factory=list)
    keys: list[tuple[int]] = field(factory=list)
    rows: straight.Rows = field(factory=straight.Rows)

    def add(self, stored: tuple[Any, ...]) -> None:
        key, _, bank_key, content, is_being_created, commit_hash, committed_at, *facts = stored
        known: dict[str, Any] = {
            name: _time(value) if is_time else value
            for (name, is_time), value in zip(_FACTS, facts, strict=True)
        }
        row = rederive(
            bank_key,
            content.encode(),
            HistoryFacts(**known),
            is_being_created=bool(is_being_created),
        )
        if isinstance(row, ItemRow):
            self.items.append((*straight.values_of(row), key))
            self.keys.append((key,))
            self.rows.log.append((key, commit_hash, committed_at, known["updated_by"]))
            self.rows.add_lists(key, row)

    def write(self, connection: sqlite3.Connection) -> None:
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(_UPDATE, self.items)
        for table in straight.LIST_TABLES:
            connection.executemany(f"DELETE FROM {table} WHERE item_key = ?", self.keys)  # noqa: S608 - all of it ours
        for statement, values in self.rows.statements():
            connection.executemany(statement, values)
        connection.execute("COMMIT")


def migration(bank: Path, database: Path) -> float:
    """Derive every row anew, the bank having nothing newer; return the seconds.

    Raises:
        ValueError: The bank has something newer.
    """
    began = time.perf_counter()
    straight.unchanged(bank, database)
    connection = sqlite3.connect(database, isolation_level=None)
    for pragma in straight.PRAGMAS:
        connection.execute(pragma)
    after = 0
    while stored := connection.execute(_STORED, (after, straight.TRANSACTION_ITEMS)).fetchall():
        page = _Page()
        for one in stored:
            page.add(one)
        page.write(connection)
        after = stored[-1][1]
    connection.close()
    return time.perf_counter() - began


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text).replace(tzinfo=UTC)

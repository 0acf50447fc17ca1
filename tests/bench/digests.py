"""What a database says of its items, as digests that tell whether another one says the same."""

import sqlite3
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Final

#: Of each table what two runs may differ in: keys that the database counts up, where the bank
#: lies, who wrote.
_LEFT_OUT: Final[Mapping[str, frozenset[str]]] = {
    "item": frozenset({"key"}),
    "item_git": frozenset({"item_key", "path"}),
    "item_log": frozenset({"item_log_id", "item_key", "job_execution_id"}),
    "item_keyword": frozenset({"item_keyword_id", "item_key"}),
    "item_attachment": frozenset({"item_attachment_id", "item_key"}),
    "item_form": frozenset({"item_form_id", "item_key"}),
    "item_content_update_need": frozenset({"item_content_update_need_id", "item_key"}),
    "item_assignment": frozenset({"item_assignment_id", "item_key"}),
}


def digests(database: Path) -> dict[str, str]:
    """Return a digest of each item table's rows, in the order of the items and of their lists."""
    connection = sqlite3.connect(database)
    try:
        return {table: _digest(connection, table) for table in _LEFT_OUT}
    finally:
        connection.close()


def differing(one: Mapping[str, str], other: Mapping[str, str]) -> list[str]:
    """Return the tables that do not have the same rows."""
    return sorted(table for table in _LEFT_OUT if one[table] != other[table])


def _digest(connection: sqlite3.Connection, table: str) -> str:
    names = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
    told = ", ".join(f"rows.{name}" for name in names if name not in _LEFT_OUT[table])
    of_item = "rows.key" if table == "item" else "rows.item_key"
    # Every table's first column is its primary key, which keeps the order within an item.
    query = (
        f"SELECT item.id, {told} FROM {table} AS rows JOIN item ON item.key = {of_item}"  # noqa: S608 - all of it ours
        f" ORDER BY item.id, rows.{names[0]}"
    )
    hashed = sha256()
    for row in connection.execute(query):
        hashed.update(repr(row).encode())
    return hashed.hexdigest()

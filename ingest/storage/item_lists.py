"""What an item has many of: keywords, attachments, forms, content update needs, assignments.

Each entry is a row of its list's table, whose columns have the names of the entry's fields. The
rows come back in the order in which they were written. Functions over a connection, for the
caller's transaction.
"""

from collections.abc import Collection, Iterable, Mapping
from operator import attrgetter
from types import MappingProxyType
from typing import Any, Final

from attrs import fields_dict
from sqlalchemy import Connection, Table, delete, insert, select

from ingest.model.item import Assignment, Attachment, ContentUpdateNeed, Form, ItemRow, Keyword
from ingest.storage.tables import (
    item_assignment,
    item_attachment,
    item_content_update_need,
    item_form,
    item_keyword,
)

#: The table of each list of an `ItemRow`, and what an entry of it is.
_LISTS: Final[Mapping[str, tuple[Table, type[Any]]]] = MappingProxyType(
    {
        "keywords": (item_keyword, Keyword),
        "attachments": (item_attachment, Attachment),
        "forms": (item_form, Form),
        "content_update_needs": (item_content_update_need, ContentUpdateNeed),
        "assignments": (item_assignment, Assignment),
    }
)


def load_lists(
    connection: Connection, keys: Collection[int]
) -> dict[int, dict[str, tuple[Any, ...]]]:
    """Return the lists of each of these items, under their names in `ItemRow`."""
    found: dict[int, dict[str, tuple[Any, ...]]] = {key: dict.fromkeys(_LISTS, ()) for key in keys}
    for name, (table, entry) in _LISTS.items():
        names = list(fields_dict(entry))
        (identity,) = table.primary_key
        query = (
            select(table.c.item_key, *(table.c[field] for field in names))
            .where(table.c.item_key.in_(keys))
            .order_by(identity)
        )
        entries: dict[int, list[Any]] = {}
        for key, *values in connection.execute(query):
            entries.setdefault(key, []).append(entry(**dict(zip(names, values, strict=True))))
        for key, listed in entries.items():
            found[key][name] = tuple(listed)
    return found


def insert_lists(connection: Connection, rows: Iterable[tuple[int, ItemRow]]) -> None:
    """Write the lists of items, by their keys, that have none stored."""
    rows = list(rows)
    for name, (table, entry) in _LISTS.items():
        names = list(fields_dict(entry))
        read = attrgetter(*names)
        values = [
            {"item_key": key, **dict(zip(names, read(one), strict=True))}
            for key, row in rows
            for one in getattr(row, name)
        ]
        if values:
            connection.execute(insert(table), values)


def delete_lists(connection: Connection, keys: Collection[int]) -> None:
    """Remove the lists of items that stay."""
    for table, _ in _LISTS.values():
        connection.execute(delete(table).where(table.c.item_key.in_(keys)))

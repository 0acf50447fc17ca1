"""Looking at the items: one whole, or a page of those that fit a search."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from attrs import frozen
from sqlalchemy import Connection, and_, column, exists, func, select, table, text

from ingest.errors import ItemNotFoundError
from ingest.model.columns import ITEM_COLUMNS
from ingest.model.item import ItemRow
from ingest.storage.database import AnyRow
from ingest.storage.items import load_items
from ingest.storage.tables import item, item_git, item_keyword, item_log


@frozen(kw_only=True)
class ItemSearch:
    """What to look for. Every criterion that is given must hold."""

    #: Words that must all stand in one text of the item; with a tag in it, exactly this text.
    q: str | None = None
    #: Columns that must have exactly these values.
    equal: Mapping[str, str]
    limit: int
    after: int | None = None


@frozen(kw_only=True)
class ItemSummary:
    """An item without its document. `values` are the columns of the item table."""

    id: int
    values: Mapping[str, Any]
    commit_hash: str


@frozen(kw_only=True)
class LoggedCommit:
    """A commit that was processed, and the execution that did it (None: asked for singly)."""

    hash: str
    committed_at: datetime
    author: str
    execution_id: int | None


@frozen(kw_only=True)
class ItemDetail:
    """An item with all that is stored of it."""

    row: ItemRow
    path: str
    branch: str
    commit_hash: str
    revision: str
    log: tuple[LoggedCommit, ...]


_SUMMARY = [one for one in ITEM_COLUMNS if one.name != "item_json"]
_full_text = table("item_keyword_fts", column("rowid"), column("content"))


def search_items(connection: Connection, search: ItemSearch) -> list[ItemSummary]:
    """Return a page of items, by ascending id."""
    query = (
        select(*(item.c[one.name] for one in _SUMMARY), item_git.c.current_commit_hash)
        .join(item_git)
        .order_by(item.c.id)
        .limit(search.limit)
    )
    if search.after is not None:
        query = query.where(item.c.id > search.after)
    for name, value in search.equal.items():
        query = query.where(item.c[name] == value)
    if search.q is not None:
        query = query.where(_has_text(search.q))
    return [
        ItemSummary(
            id=row.id,
            values={one.name: getattr(row, one.name) for one in _SUMMARY},
            commit_hash=row.current_commit_hash,
        )
        for row in connection.execute(query)
    ]


def _has_text(q: str) -> Any:
    exact = "<" in q
    words = [q] if exact else q.split()
    # Every word as a quoted string: nothing in it is FTS5 syntax then.
    quoted = " ".join(f'"{word}"' for word in (w.replace('"', '""') for w in words))
    hit = and_(
        item_keyword.c.item_key == item.c.key,
        item_keyword.c.item_keyword_id.in_(
            select(_full_text.c.rowid).where(
                text("item_keyword_fts MATCH :expression").bindparams(expression=quoted)
            )
        ),
    )
    if exact:
        # The index knows words, not tags and operators: it finds candidates, this decides.
        hit = and_(hit, func.instr(item_keyword.c.content, q) > 0)
    return exists().where(hit)


def get_item(connection: Connection, item_id: int) -> ItemDetail:
    """Return an item with all that is stored of it.

    Raises:
        ItemNotFoundError: There is none with this id.
    """
    stored = load_items(connection, [item_id]).get(item_id)
    if stored is None:
        raise ItemNotFoundError(str(item_id))
    rows = connection.execute(
        select(item_log).join(item).where(item.c.id == item_id).order_by(item_log.c.item_log_id)
    )
    return ItemDetail(
        row=stored.row,
        path=stored.path,
        branch=stored.branch,
        commit_hash=stored.stored.commit_hash,
        revision=stored.stored.revision,
        log=tuple(_logged(row) for row in rows),
    )


def _logged(row: AnyRow) -> LoggedCommit:
    return LoggedCommit(
        hash=row.commit_hash,
        committed_at=row.committed_at,
        author=row.author,
        execution_id=row.job_execution_id,
    )


def item_count(connection: Connection, *, up_to: int | None = None) -> int:
    """Return how many items are stored, with ids up to *up_to*."""
    query = select(func.count()).select_from(item)
    if up_to is not None:
        query = query.where(item.c.id <= up_to)
    return connection.execute(query).scalar_one()

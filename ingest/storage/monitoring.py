"""Of which items the bank tells that they were pushed to."""

from collections.abc import Collection
from datetime import timedelta
from typing import Final

from attrs import frozen
from sqlalchemy import ColumnElement, Connection, func, or_, select, update

from ingest.storage.tables import item_git
from ingest.storage.transitions import utc_now

#: After so long it is looked at again: somebody may have removed a hook.
RECHECK: Final = timedelta(days=30)


@frozen(kw_only=True)
class ToMonitor:
    """An item of which nobody knows that the bank tells of its pushes."""

    key: str
    bank_id: int
    commit_hash: str


def to_monitor(connection: Connection, *, after: int, limit: int) -> list[tuple[int, ToMonitor]]:
    """Return the next such items, each behind its key in the database, by which they are sorted."""
    query = (
        select(
            item_git.c.item_key,
            item_git.c.bank_key,
            item_git.c.bank_id,
            item_git.c.current_commit_hash,
        )
        .where(item_git.c.item_key > after, _is_due())
        .order_by(item_git.c.item_key)
        .limit(limit)
    )
    return [
        (row[0], ToMonitor(key=row[1], bank_id=row[2], commit_hash=row[3]))
        for row in connection.execute(query)
    ]


def to_monitor_count(connection: Connection) -> int:
    """Return how many such items there are."""
    query = select(func.count()).select_from(item_git).where(_is_due())
    return connection.execute(query).scalar_one()


def mark_monitored(connection: Connection, keys: Collection[str]) -> None:
    """Take note that the bank tells of pushes to these items."""
    connection.execute(
        update(item_git).where(item_git.c.bank_key.in_(keys)).values(monitored_at=utc_now())
    )


def _is_due() -> ColumnElement[bool]:
    monitored_at = item_git.c.monitored_at
    return item_git.c.bank_id.is_not(None) & or_(
        monitored_at.is_(None), monitored_at < utc_now() - RECHECK
    )

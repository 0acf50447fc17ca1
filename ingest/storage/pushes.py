"""The items that were pushed to and are still to be brought in step: one row each."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Protocol

from attrs import frozen
from sqlalchemy import Connection, bindparam, delete, func, insert, select, update

from ingest.model.text import storable
from ingest.storage.tables import pending_push
from ingest.storage.transitions import utc_now


class Pushed(Protocol):
    """An item that was pushed to."""

    @property
    def key(self) -> str:
        """Its id, as the bank has it."""

    @property
    def bank_id(self) -> int | None:
        """The bank's own number of it."""


@frozen(kw_only=True)
class PendingPush:
    """An item to be brought in step, however often it was pushed to."""

    key: str
    bank_id: int | None
    first_at: datetime
    pushes: int
    attempts: int


def add_pushes(connection: Connection, pushed: Sequence[Pushed]) -> None:
    """Take note of pushes; several to one item become one."""
    now = utc_now()
    folded: dict[str, dict[str, object]] = {}
    for one in pushed:
        row = folded.setdefault(one.key, {"pending_key": one.key, "more": 0})
        row |= {"bank_id": one.bank_id, "more": int(str(row["more"])) + 1}
    keys = list(folded)
    known = set(
        connection.execute(
            select(pending_push.c.bank_key).where(pending_push.c.bank_key.in_(keys))
        ).scalars()
    )
    new = [
        {
            "bank_key": key,
            "bank_id": row["bank_id"],
            "pushes": row["more"],
            "first_at": now,
            "last_at": now,
        }
        for key, row in folded.items()
        if key not in known
    ]
    if new:
        connection.execute(insert(pending_push), new)
    again = [row for key, row in folded.items() if key in known]
    if again:
        connection.execute(
            update(pending_push)
            .where(pending_push.c.bank_key == bindparam("pending_key"))
            .values(pushes=pending_push.c.pushes + bindparam("more"), last_at=now),
            again,
        )


def oldest_pushes(
    connection: Connection, *, limit: int, besides: Collection[str]
) -> list[PendingPush]:
    """Return the items that have waited longest, but for those named."""
    query = (
        select(pending_push)
        .where(pending_push.c.bank_key.not_in(besides))
        .order_by(pending_push.c.first_at, pending_push.c.bank_key)
        .limit(limit)
    )
    return [
        PendingPush(
            key=row.bank_key,
            bank_id=row.bank_id,
            first_at=row.first_at,
            pushes=row.pushes,
            attempts=row.attempts,
        )
        for row in connection.execute(query)
    ]


def settle_push(connection: Connection, push: PendingPush) -> None:
    """Forget a push that was seen to; it stays where the item was pushed to again since."""
    connection.execute(
        delete(pending_push).where(
            pending_push.c.bank_key == push.key, pending_push.c.pushes == push.pushes
        )
    )


def postpone_push(connection: Connection, push: PendingPush, reason: str) -> None:
    """Take note that an item could not be brought in step yet."""
    connection.execute(
        update(pending_push)
        .where(pending_push.c.bank_key == push.key)
        .values(attempts=pending_push.c.attempts + 1, last_error=storable(reason))
    )


def pending_count(connection: Connection) -> int:
    """Return how many items are still to be brought in step."""
    return connection.execute(select(func.count()).select_from(pending_push)).scalar_one()

"""The item tables: writing items whole, deleting them, and what a job must know of them.

Functions over a connection, to be run in a transaction of the caller's, so that a job's rows and
its counts are committed together.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Protocol

from attrs import fields, frozen
from sqlalchemy import BigInteger, Connection, bindparam, case, delete, func, insert, select, update

from ingest.model.columns import ITEM_COLUMNS
from ingest.model.item import Commit, HistoryFacts, Ingested, ItemRow
from ingest.model.job import Counts
from ingest.model.text import storable
from ingest.storage.item_lists import delete_lists, insert_lists, load_lists
from ingest.storage.tables import ingest_problem, item, item_git, item_log


class Listed(Protocol):
    """An entry of the bank's listing."""

    @property
    def key(self) -> str:
        """The item's id, as the bank has it."""

    @property
    def path(self) -> str:
        """Where it is."""

    @property
    def bank_id(self) -> int | None:
        """The bank's own number of it."""


@frozen(kw_only=True)
class StoredRevision:
    """Where the database stands with an item."""

    revision: str
    commit_hash: str
    #: The bank's own number of it; None where that is not known.
    bank_id: int | None = None
    path: str = ""


@frozen(kw_only=True)
class StoredItem:
    """An item as it is stored, whole."""

    key: str
    path: str
    branch: str
    stored: StoredRevision
    commit: Commit
    row: ItemRow


@frozen(kw_only=True)
class ItemWrite:
    """An item to save, and the revision it is to replace."""

    ingested: Ingested
    #: The revision that was stored when the change was found; None for an item not stored then.
    replaces: str | None


@frozen(kw_only=True)
class Saved:
    """What became of items that were to be saved."""

    created: Sequence[Ingested]
    updated: Sequence[Ingested]
    #: Left alone, for somebody else has written them since the change was found.
    overtaken: Sequence[Ingested]

    @property
    def counts(self) -> Counts:
        """What this adds to an execution's counts."""
        return Counts(
            created=len(self.created), updated=len(self.updated), unchanged=len(self.overtaken)
        )


def stored_revisions(connection: Connection, keys: Collection[str]) -> dict[str, StoredRevision]:
    """Return where the database stands with each of these items that it knows."""
    rows = connection.execute(
        select(
            item_git.c.bank_key,
            item_git.c.revision,
            item_git.c.current_commit_hash,
            item_git.c.bank_id,
            item_git.c.path,
        ).where(item_git.c.bank_key.in_(keys))
    )
    return {
        row[0]: StoredRevision(revision=row[1], commit_hash=row[2], bank_id=row[3], path=row[4])
        for row in rows
    }


def shared_numbers(connection: Connection, bank_ids: Collection[int]) -> set[int]:
    """Return which of the bank's numbers more than one stored item has.

    A project that became another item, name and document, has left its number at both.
    """
    query = (
        select(item_git.c.bank_id)
        .where(item_git.c.bank_id.in_(bank_ids))
        .group_by(item_git.c.bank_id)
        .having(func.count() > 1)
    )
    return set(connection.execute(query).scalars())


def stored_facts(connection: Connection, keys: Collection[str]) -> dict[str, HistoryFacts]:
    """Return what is known of the past of each of these items."""
    columns = [item.c[name] for name in _FACTS]
    rows = connection.execute(
        select(item_git.c.bank_key, *columns).join(item).where(item_git.c.bank_key.in_(keys))
    )
    return {row[0]: HistoryFacts(**dict(zip(_FACTS, row[1:], strict=True))) for row in rows}


_FACTS = [fact.name for fact in fields(HistoryFacts)]

#: That the bank tells of pushes is known of one entry of its, and not of another of the same name.
_MONITORED = {
    item_git.c.monitored_at: case(
        (item_git.c.bank_id == bindparam("new_bank_id", type_=BigInteger), item_git.c.monitored_at)
    )
}


def item_ids(connection: Connection, *, after: int, limit: int) -> list[int]:
    """Return the next ids of stored items, in ascending order."""
    query = select(item.c.id).where(item.c.id > after).order_by(item.c.id).limit(limit)
    return list(connection.execute(query).scalars())


def load_items(connection: Connection, ids: Collection[int]) -> dict[int, StoredItem]:
    """Return these items whole, as far as they are stored."""
    rows = connection.execute(select(item, item_git).join(item_git).where(item.c.id.in_(ids))).all()
    lists = load_lists(connection, [row.key for row in rows])
    return {
        row.id: StoredItem(
            key=row.bank_key,
            path=row.path,
            branch=row.branch,
            stored=StoredRevision(
                revision=row.revision,
                commit_hash=row.current_commit_hash,
                bank_id=row.bank_id,
                path=row.path,
            ),
            commit=Commit(row.current_commit_hash, row.current_commit_at, row.updated_by),
            row=ItemRow(
                id=row.id,
                values={column.name: getattr(row, column.name) for column in ITEM_COLUMNS},
                **lists[row.key],
            ),
        )
        for row in rows
    }


def save_items(
    connection: Connection, writes: Sequence[ItemWrite], *, execution_id: int | None
) -> Saved:
    """Write items with everything that is theirs.

    An item that somebody else has written since the change was found is left alone: the next
    synchronization looks at it again.
    """
    if not writes:
        return Saved(created=(), updated=(), overtaken=())
    found = _stored_keys(connection, [write.ingested.row.id for write in writes])
    created, updated, overtaken = [], [], []
    for write in writes:
        one = write.ingested
        if found.get(one.row.id, (0, None))[1] != write.replaces:
            overtaken.append(one)
        elif one.row.id in found:
            updated.append(one)
        else:
            created.append(one)
    if created:
        connection.execute(insert(item), [new.row.values for new in created])
        found |= _stored_keys(connection, [new.row.id for new in created], with_git=False)
        _insert_git(connection, [(found[new.row.id][0], new) for new in created])
    if updated:
        _update(connection, [(found[old.row.id][0], old) for old in updated])
    written = [(found[one.row.id][0], one) for one in (*created, *updated)]
    _insert_log(connection, written, execution_id)
    insert_lists(connection, [(key, one.row) for key, one in written])
    return Saved(created=created, updated=updated, overtaken=overtaken)


def move_items(connection: Connection, listings: Sequence[Listed]) -> None:
    """Take note of where stored items are now, by the bank's place and number."""
    if listings:
        connection.execute(
            update(item_git).where(item_git.c.bank_key == bindparam("old_key")).values(_MONITORED),
            [
                {
                    "old_key": one.key,
                    "path": storable(one.path),
                    "bank_id": one.bank_id,
                    "new_bank_id": one.bank_id,
                }
                for one in listings
            ],
        )


def delete_items(connection: Connection, expected: Mapping[int, str]) -> list[int]:
    """Delete items, with all that is theirs, which still have the revision expected of them.

    Returns:
        The ids of those that were deleted.
    """
    found = _stored_keys(connection, list(expected))
    gone = {id_: key for id_, (key, revision) in found.items() if revision == expected[id_]}
    connection.execute(delete(item).where(item.c.key.in_(gone.values())))
    forget_problems(connection, [str(id_) for id_ in gone])
    return sorted(gone)


def forget_problems(connection: Connection, keys: Collection[str]) -> None:
    """Remove the problems of items that have none any more."""
    if keys:
        connection.execute(delete(ingest_problem).where(ingest_problem.c.bank_key.in_(keys)))


def _stored_keys(
    connection: Connection, ids: Collection[int], *, with_git: bool = True
) -> dict[int, tuple[int, str | None]]:
    if with_git:
        query = select(item.c.id, item.c.key, item_git.c.revision).join(item_git)
    else:
        query = select(item.c.id, item.c.key, item.c.id)
    rows = connection.execute(query.where(item.c.id.in_(ids)))
    return {row[0]: (row[1], row[2]) for row in rows}


def _git_values(ingested: Ingested) -> dict[str, Any]:
    return {
        "bank_key": ingested.key,
        "path": storable(ingested.path),
        "branch": storable(ingested.branch),
        "current_commit_hash": ingested.commit.hash,
        "current_commit_at": ingested.commit.committed_at,
        "revision": ingested.revision,
        "bank_id": ingested.bank_id,
    }


def _insert_git(connection: Connection, pairs: Iterable[tuple[int, Ingested]]) -> None:
    connection.execute(
        insert(item_git), [{"item_key": key, **_git_values(new)} for key, new in pairs]
    )


def _update(connection: Connection, pairs: Sequence[tuple[int, Ingested]]) -> None:
    # Bound names differ from the column names, which SQLAlchemy keeps for the SET clause.
    connection.execute(
        update(item).where(item.c.key == bindparam("old_key")),
        [{"old_key": key, **one.row.values} for key, one in pairs],
    )
    connection.execute(
        update(item_git).where(item_git.c.item_key == bindparam("old_key")).values(_MONITORED),
        [{"old_key": key, "new_bank_id": one.bank_id, **_git_values(one)} for key, one in pairs],
    )
    delete_lists(connection, [key for key, _ in pairs])


def _insert_log(
    connection: Connection, pairs: Sequence[tuple[int, Ingested]], execution_id: int | None
) -> None:
    log = [
        {
            "item_key": key,
            "commit_hash": commit.hash,
            "committed_at": commit.committed_at,
            "author": commit.author,
            "job_execution_id": execution_id,
        }
        for key, one in pairs
        for commit in one.log
    ]
    if log:
        connection.execute(insert(item_log), log)

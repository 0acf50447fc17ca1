"""The items that could not be ingested, and why."""

from collections.abc import Collection, Sequence
from datetime import datetime

from attrs import frozen
from sqlalchemy import Connection, bindparam, func, insert, select, update

from ingest.model.item import DERIVATION_VERSION, Rejected
from ingest.model.text import storable
from ingest.storage.tables import ingest_problem
from ingest.storage.transitions import utc_now


@frozen(kw_only=True)
class ProblemRow:
    """A problem as it is stored. Times are UTC."""

    key: str
    path: str
    kind: str
    message: str
    commit_hash: str | None
    attempts: int
    first_at: datetime
    last_at: datetime


def record_problems(connection: Connection, rejected: Sequence[Rejected]) -> None:
    """Write a problem for each item, the last one of many, or count one more attempt at it."""
    if not rejected:
        return
    now = utc_now()
    rejected = list({one.key: one for one in rejected}.values())
    keys = [one.key for one in rejected]
    known = set(
        connection.execute(
            select(ingest_problem.c.bank_key).where(ingest_problem.c.bank_key.in_(keys))
        ).scalars()
    )
    new = [_row(one, now) for one in rejected if one.key not in known]
    if new:
        connection.execute(
            insert(ingest_problem), [{**row, "attempts": 1, "first_at": now} for row in new]
        )
    again = [_row(one, now) for one in rejected if one.key in known]
    if again:
        connection.execute(
            update(ingest_problem)
            .where(ingest_problem.c.bank_key == bindparam("known_key"))
            .values(attempts=ingest_problem.c.attempts + 1),
            [{"known_key": row["bank_key"], **row} for row in again],
        )


def _row(one: Rejected, now: datetime) -> dict[str, object]:
    return {
        "bank_key": one.key,
        "path": storable(one.path),
        "kind": one.problem.kind.value,
        "message": storable(one.problem.message),
        "commit_hash": one.revision,
        "derivation_version": DERIVATION_VERSION,
        "last_at": now,
    }


def known_problems(connection: Connection, keys: Collection[str]) -> dict[str, str | None]:
    """Return the items that have a problem, with the revision that is known to be bad.

    None where no revision is: it could not be read at all, or today's rules are newer.
    """
    rows = connection.execute(
        select(
            ingest_problem.c.bank_key,
            ingest_problem.c.commit_hash,
            ingest_problem.c.derivation_version,
        ).where(ingest_problem.c.bank_key.in_(keys))
    )
    return {row[0]: row[1] if row[2] == DERIVATION_VERSION else None for row in rows}


def problem_keys(connection: Connection) -> list[str]:
    """Return the keys of all items with a problem."""
    return list(connection.execute(select(ingest_problem.c.bank_key)).scalars())


def problem_page(connection: Connection, *, limit: int, after: str | None) -> list[ProblemRow]:
    """Return at most *limit* problems with keys behind *after*, in the order of their keys."""
    query = select(ingest_problem).order_by(ingest_problem.c.bank_key).limit(limit)
    if after is not None:
        query = query.where(ingest_problem.c.bank_key > after)
    return [
        ProblemRow(
            key=row.bank_key,
            path=row.path,
            kind=row.kind,
            message=row.message,
            commit_hash=row.commit_hash,
            attempts=row.attempts,
            first_at=row.first_at,
            last_at=row.last_at,
        )
        for row in connection.execute(query)
    ]


def problem_count(connection: Connection) -> int:
    """Return how many items have a problem."""
    return connection.execute(select(func.count()).select_from(ingest_problem)).scalar_one()

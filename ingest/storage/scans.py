"""The listings of the item bank that jobs made, and whether they were complete."""

from sqlalchemy import Connection, insert, select, update

from ingest.storage.tables import bank_scan
from ingest.storage.transitions import utc_now


def begin_scan(connection: Connection, *, execution_id: int) -> None:
    """Record that an execution has begun to list the bank."""
    connection.execute(
        insert(bank_scan).values(
            job_execution_id=execution_id, started=utc_now(), complete=False, seen=0
        )
    )


def end_scan(connection: Connection, *, execution_id: int, seen: int, complete: bool) -> None:
    """Record how the listing that this execution began has ended."""
    connection.execute(
        update(bank_scan)
        .where(bank_scan.c.job_execution_id == execution_id, bank_scan.c.finished.is_(None))
        .values(finished=utc_now(), complete=complete, seen=seen)
    )


def keep_cursor(connection: Connection, *, execution_id: int, cursor: str) -> None:
    """Record where the next listing may go on from; for when all of this one is seen to."""
    connection.execute(
        update(bank_scan)
        .where(bank_scan.c.job_execution_id == execution_id, bank_scan.c.complete)
        .values(cursor=cursor)
    )


def last_cursor(connection: Connection) -> str | None:
    """Return where the next listing may go on from: the cursor of the last complete one.

    None where not all of that was seen to.
    """
    query = (
        select(bank_scan.c.cursor)
        .where(bank_scan.c.complete)
        .order_by(bank_scan.c.bank_scan_id.desc())
        .limit(1)
    )
    return connection.execute(query).scalar()


def last_seen(connection: Connection) -> int | None:
    """Return how many entries the last complete listing had; None before the first."""
    query = (
        select(bank_scan.c.seen)
        .where(bank_scan.c.complete)
        .order_by(bank_scan.c.bank_scan_id.desc())
        .limit(1)
    )
    return connection.execute(query).scalar()

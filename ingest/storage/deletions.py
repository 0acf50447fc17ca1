"""Deletions that synchronizations have withheld, until a later one settles it."""

from attrs import frozen
from sqlalchemy import Connection, insert, select, update

from ingest.storage.tables import withheld_deletion


@frozen(kw_only=True)
class Withheld:
    """More items are missing from the bank than may be deleted without a person's word."""

    missing: int
    #: How many items are stored.
    stored: int
    #: How many could have been deleted.
    allowed: int

    @property
    def is_bank_empty(self) -> bool:
        """Whether the bank lists nothing: then everything is missing, and nothing is allowed."""
        return self.missing == self.stored and self.allowed == 0

    def __str__(self) -> str:
        return (
            f"{self.missing} of {self.stored} items are not in the item bank any more, and "
            f"{self.allowed} may be deleted without a person's word: nothing was deleted, "
            f"everything else stands. {self._way_out()}"
        )

    def _way_out(self) -> str:
        if self.is_bank_empty:
            return (
                "The bank lists no item at all, so it is more likely gone than empty: make it "
                "available, and start again. Only if all its items are gone for good, start with "
                f"POST /sync?allow-deletes={self.missing}"
            )
        return (
            "If they are gone for good, start again with "
            f"POST /sync?allow-deletes={self.missing}, or allow so many for good with "
            "bank.allow_deletes in the configuration"
        )


@frozen(kw_only=True)
class WithheldBy:
    """A cap that was hit and is not settled, and the execution that hit it."""

    execution_id: int
    withheld: Withheld


def withhold_deletions(connection: Connection, execution_id: int, withheld: Withheld) -> None:
    """Record that an execution has withheld deletions; it takes the place of what was before."""
    settle_withheld(connection, execution_id)
    connection.execute(
        insert(withheld_deletion).values(
            job_execution_id=execution_id,
            missing=withheld.missing,
            stored=withheld.stored,
            allowed=withheld.allowed,
        )
    )


def settle_withheld(connection: Connection, execution_id: int) -> None:
    """Record that an execution has deleted whatever was to be deleted."""
    connection.execute(
        update(withheld_deletion)
        .where(withheld_deletion.c.settled_by.is_(None))
        .values(settled_by=execution_id)
    )


def unsettled_deletions(connection: Connection) -> WithheldBy | None:
    """Return the cap that was hit and is not settled yet."""
    row = connection.execute(
        select(withheld_deletion)
        .where(withheld_deletion.c.settled_by.is_(None))
        .order_by(withheld_deletion.c.job_execution_id.desc())
        .limit(1)
    ).first()
    if row is None:
        return None
    withheld = Withheld(missing=row.missing, stored=row.stored, allowed=row.allowed)
    return WithheldBy(execution_id=row.job_execution_id, withheld=withheld)

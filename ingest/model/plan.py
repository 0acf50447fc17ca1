"""What a dry run finds that a synchronization would do."""

from enum import StrEnum

from attrs import frozen


class PlannedChange(StrEnum):
    """What a synchronization would do with an item; the values are what the database holds."""

    CREATED = "CREATED"
    UPDATED = "UPDATED"
    DELETED = "DELETED"


@frozen(kw_only=True)
class PlannedCounts:
    """How many items a dry run found to be created, updated and deleted."""

    created: int = 0
    updated: int = 0
    deleted: int = 0

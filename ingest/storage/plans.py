"""What dry runs found that a synchronization would do."""

from collections import Counter
from collections.abc import Mapping

from attrs import frozen
from sqlalchemy import Connection, func, insert, select

from ingest.model.plan import PlannedChange, PlannedCounts
from ingest.storage.tables import planned_change


@frozen
class PlannedItem:
    """An item, and what a synchronization would do with it."""

    item_id: int
    change: PlannedChange


def plan_changes(
    connection: Connection, execution_id: int, changes: Mapping[int, PlannedChange]
) -> None:
    """Put down what would be done with items, by their ids."""
    if changes:
        connection.execute(
            insert(planned_change),
            [
                {"job_execution_id": execution_id, "item_id": item_id, "change": change}
                for item_id, change in changes.items()
            ],
        )


def planned_counts(connection: Connection, execution_ids: list[int]) -> dict[int, PlannedCounts]:
    """Return how many changes these dry runs have planned so far."""
    rows = connection.execute(
        select(planned_change.c.job_execution_id, planned_change.c.change, func.count())
        .where(planned_change.c.job_execution_id.in_(execution_ids))
        .group_by(planned_change.c.job_execution_id, planned_change.c.change)
    )
    found: dict[int, Counter[str]] = {one: Counter() for one in execution_ids}
    for execution_id, change, count in rows:
        found[execution_id][change] = count
    return {
        execution_id: PlannedCounts(
            created=counts[PlannedChange.CREATED],
            updated=counts[PlannedChange.UPDATED],
            deleted=counts[PlannedChange.DELETED],
        )
        for execution_id, counts in found.items()
    }


def planned_page(
    connection: Connection,
    execution_id: int,
    *,
    limit: int,
    after: int | None,
    change: PlannedChange | None,
) -> list[PlannedItem]:
    """Return a page of what a dry run has planned, by ascending item id."""
    query = (
        select(planned_change.c.item_id, planned_change.c.change)
        .where(planned_change.c.job_execution_id == execution_id)
        .order_by(planned_change.c.item_id)
        .limit(limit)
    )
    if after is not None:
        query = query.where(planned_change.c.item_id > after)
    if change is not None:
        query = query.where(planned_change.c.change == change)
    return [PlannedItem(row[0], PlannedChange(row[1])) for row in connection.execute(query)]

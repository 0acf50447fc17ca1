"""The figures that are counted for every scrape."""

import pytest
from sqlalchemy import Connection, event

from ingest.storage.database import Database
from ingest.storage.figures import load_figures


@pytest.mark.parametrize("table", ["item", "ingest_problem", "pending_push"])
async def test_what_grows_with_the_bank_is_counted_by_an_index(
    database: Database, table: str
) -> None:
    """No row of an item is read, nor of a problem, whose messages are long."""

    def plans(connection: Connection) -> list[str]:
        statements: list[str] = []

        @event.listens_for(connection, "before_cursor_execute")
        def _note(_c: object, _cursor: object, statement: str, *_: object) -> None:
            statements.append(statement)

        load_figures(connection)
        return [
            str(step[3])
            for statement in list(statements)
            for step in connection.exec_driver_sql(
                f"EXPLAIN QUERY PLAN {statement}", tuple(1 for _ in range(statement.count("?")))
            )
        ]

    steps = [one for one in await database.read(plans) if f" {table} " in f"{one} "]
    assert steps
    assert all("COVERING INDEX" in step for step in steps), steps

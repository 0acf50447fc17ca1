"""What tests look for in a database, and put there."""

from datetime import UTC, datetime
from typing import Any

from attrs import evolve
from sqlalchemy import text

from ingest.model.columns import ITEM_COLUMNS
from ingest.model.item import (
    Assignment,
    Attachment,
    Commit,
    ContentUpdateNeed,
    Form,
    Ingested,
    ItemRow,
    Keyword,
)
from ingest.model.job import Ask, JobInstance
from ingest.storage.database import AnyRow, Database
from ingest.storage.executions import ExecutionStore
from ingest.storage.writer import ExecutionWriter

A_DAY = datetime(2020, 1, 1, 12, 30, tzinfo=UTC)


async def rows(database: Database, sql: str) -> list[AnyRow]:
    """Return what a SELECT finds."""
    return await database.read(lambda connection: list(connection.execute(text(sql))))


async def row_count(database: Database, table: str) -> int:
    """Return how many rows a table has."""
    (row,) = await rows(database, f"SELECT count(*) FROM {table}")  # noqa: S608  # a test's own
    return int(row[0])


#: What an item has one or many of, beside its log.
ITEM_CHILDREN = (
    *("item_git", "item_keyword", "item_attachment"),
    *("item_form", "item_content_update_need", "item_assignment"),
)


async def stored_items(database: Database) -> dict[int, dict[str, list[tuple[Any, ...]]]]:
    """Return everything that is stored of each item, by id, but for the log.

    Rows are in the order in which they were written; their own ids are left out.
    """
    found: dict[int, dict[str, list[tuple[Any, ...]]]] = {}
    ids = {}
    for row in await rows(database, "SELECT * FROM item ORDER BY id"):
        ids[row.key] = row.id
        found[row.id] = {"item": [tuple(row)]} | {table: [] for table in ITEM_CHILDREN}
    for table in ITEM_CHILDREN:
        for row in await rows(database, f"SELECT * FROM {table} ORDER BY 1"):  # noqa: S608  # ours
            values = row._asdict()
            values.pop(f"{table}_id", None)
            found[ids[values.pop("item_key")]][table].append(tuple(values.values()))
    return found


async def change(database: Database, sql: str) -> None:
    """Run a statement that changes rows."""
    await database.write(lambda connection: connection.execute(text(sql)))


async def started(database: Database, *, owner: str = "me", job: int = 0) -> ExecutionWriter:
    """Put an execution on record as STARTED, and return what it writes with."""
    store = ExecutionStore(database)
    instance: JobInstance = (await store.instances())[job]
    begun = await store.start(instance, owner=owner, ask=Ask("a test"), resumable=False)
    await store.mark_started(begun.execution_id, step_name="step", checkpoint=None)
    return ExecutionWriter(database, execution_id=begun.execution_id, owner=owner)


_FORM = Form(
    administration_id="2020", form_id="f1", form_type="Operational", assessment_type="", exposures=5
)
_NEED = ContentUpdateNeed(
    content_update_need_create_date=A_DAY,
    notes="the key is wrong",
    resolution="",
    resolution_date=None,
    resolution_notes="",
    internal_resolution="seen",
    internal_resolution_date=A_DAY,
)


def ingested(
    item_id: int, *, revision: str = "r1", subject: str = "Math", words: tuple[str, ...] = ("one",)
) -> Ingested:
    """Return an item with an entry or more in every list, and a keyword for each word."""
    values = dict.fromkeys((column.name for column in ITEM_COLUMNS if column.nullable), None) | {
        column.name: {"TEXT": "", "INTEGER": 0, "BOOLEAN": False}[column.type.name]
        for column in ITEM_COLUMNS
        if not column.nullable
    }
    values |= {"id": item_id, "item_type": "mc", "subject": subject, "item_json": "{}"}
    commit = Commit(f"hash of {revision}", A_DAY, "Ada")
    return Ingested(
        key=str(item_id),
        path=f"bank/{item_id}",
        branch="main",
        revision=revision,
        commit=commit,
        row=ItemRow(
            id=item_id,
            values=values,
            keywords=tuple(Keyword("Prompt / Stem", word) for word in words),
            attachments=(Attachment("asl", "asl.mp4", A_DAY),),
            forms=(_FORM, evolve(_FORM, exposures=None), _FORM),
            content_update_needs=(_NEED,),
            assignments=(Assignment(assigned_to="Ada", assigned_by="Bob", assigned_date=None),),
        ),
        log=(commit,),
    )

"""What items and problems look like in answers; an item's columns follow `ingest.model.columns`."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

import orjson
from attrs import asdict

from ingest.api.views import Json, moment
from ingest.model.columns import ITEM_COLUMNS, ColumnType
from ingest.model.item import Assignment, Attachment, ContentUpdateNeed, Form, Keyword
from ingest.storage.item_queries import ItemDetail, ItemSummary, LoggedCommit
from ingest.storage.problems import ProblemRow

_JSON_TYPES: Final = {
    ColumnType.TEXT: "string",
    ColumnType.INTEGER: "integer",
    ColumnType.BOOLEAN: "boolean",
    ColumnType.TIMESTAMP: "string",
}


def camel(name: str) -> str:
    """Return a column's name in the API's spelling."""
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


#: The JSON names of the item table's columns. An item id is a string, and has its own name; the
#: document is not among the columns of an answer, but stands beside them.
_OWN_NAMES: Final = {"id": "itemId", "item_json": "document"}
_NAMES: Final = {
    column.name: _OWN_NAMES.get(column.name, camel(column.name)) for column in ITEM_COLUMNS
}


def describe_columns() -> list[Json]:
    """Return what an answer says of an item, column by column, for a document such as OpenAPI's.

    Of each: its name in the answer and in the database, its JSON type and format, whether it may be
    null, what it says, and from which paths of item.json it is read (none: it is computed).
    """
    described = []
    for column in ITEM_COLUMNS:
        json_type = _JSON_TYPES[column.type]
        if column.name in _OWN_NAMES:
            json_type = "string" if column.name == "id" else "object"
        described.append(
            {
                "name": _NAMES[column.name],
                "column": column.name,
                "type": json_type,
                "format": "date-time" if column.type is ColumnType.TIMESTAMP else None,
                "nullable": column.nullable,
                "description": column.description,
                "paths": list(column.paths),
            }
        )
    return described


def _columns(values: Mapping[str, Any]) -> Json:
    return {_NAMES[name]: _value(value) for name, value in values.items() if name not in _OWN_NAMES}


def _value(value: Any) -> Any:
    return moment(value) if isinstance(value, datetime) else value


def _entries(
    listed: Iterable[Attachment | Keyword | Form | ContentUpdateNeed | Assignment],
) -> list[Json]:
    return [
        {camel(name): _value(value) for name, value in asdict(entry).items()} for entry in listed
    ]


def item_summary(one: ItemSummary) -> Json:
    """Return an item without its document."""
    return {
        "itemId": str(one.id),
        **_columns(one.values),
        "currentCommitHash": one.commit_hash,
    }


def item_detail(one: ItemDetail) -> Json:
    """Return an item with its document and all that is stored beside it."""
    row = one.row
    return {
        "itemId": str(row.id),
        **_columns(row.values),
        "currentCommitHash": one.commit_hash,
        "git": {"path": one.path, "branch": one.branch, "revision": one.revision},
        "attachments": _entries(row.attachments),
        "forms": _entries(row.forms),
        "contentUpdateNeeds": _entries(row.content_update_needs),
        "assignments": _entries(row.assignments),
        "keywords": _entries(row.keywords),
        "log": [_logged(commit) for commit in one.log],
        "document": orjson.Fragment(row.values["item_json"]),
    }


def _logged(commit: LoggedCommit) -> Json:
    return {
        "commitHash": commit.hash,
        "committedAt": moment(commit.committed_at),
        "author": commit.author,
        "jobExecutionId": commit.execution_id,
    }


def problem(one: ProblemRow) -> Json:
    """Return an item that could not be ingested, and why."""
    return {
        "itemId": one.key,
        "path": one.path,
        "kind": one.kind,
        "message": one.message,
        "commitHash": one.commit_hash,
        "attempts": one.attempts,
        "firstAt": moment(one.first_at),
        "lastAt": moment(one.last_at),
    }

"""What answers about items hold, as JSON Schema; an item's fields follow from its columns."""

import inspect
from datetime import datetime
from types import NoneType
from typing import Any, Final, get_args

from attrs import AttrsInstance, fields

from ingest.api.item_views import camel, describe_columns
from ingest.api.openapi.parts import Json, schema_ref
from ingest.api.openapi.schemas import (
    COUNT,
    ID,
    MOMENT,
    TEXT,
    closed,
    nullable,
    one_of,
    page,
    said,
)
from ingest.items.single import ItemOutcome
from ingest.model.item import (
    Assignment,
    Attachment,
    ContentUpdateNeed,
    Form,
    Keyword,
    ProblemKind,
)

_TYPES: Final[dict[type, Json]] = {str: TEXT, int: {"type": "integer"}, datetime: MOMENT}
_COMMIT: Final = said(TEXT, "The hash of a commit, in hexadecimal.")


def _columns() -> Json:
    """Return the schema of each column of an answer but the document."""
    properties: Json = {}
    for column in describe_columns():
        name = column["name"]
        if name == "document":
            continue
        schema: Json = {"type": column["type"]}
        if column["format"] is not None:
            schema["format"] = column["format"]
        if column["nullable"]:
            schema = nullable(schema)
        paths = f" From {' or '.join(column['paths'])}." if column["paths"] else ""
        properties[name] = said(schema, f"{column['description']}.{paths}")
    properties["itemId"] = schema_ref("ItemId")
    return properties


def _entry(kind: type[AttrsInstance]) -> Json:
    """Return the schema of an entry of one of an item's lists, from the class that holds it."""
    properties = {camel(field.name): _type(field.type) for field in fields(kind)}
    return closed(inspect.cleandoc(kind.__doc__ or ""), properties)


def _type(annotation: Any) -> Json:
    choices = set(get_args(annotation)) or {annotation}
    (kind,) = choices - {NoneType}
    return nullable(_TYPES[kind]) if NoneType in choices else _TYPES[kind]


def _list(name: str) -> Json:
    return {"type": "array", "items": schema_ref(name)}


def item_schemas() -> Json:
    """Return the schemas of items, problems and what becomes of a single item, by name."""
    columns = {**_columns(), "currentCommitHash": _COMMIT}
    return {
        "ItemId": {
            "type": "string",
            "pattern": "^[1-9][0-9]{0,18}$",
            "description": "An item's id in the bank: digits, in a string.",
        },
        "ItemSummary": closed("An item without its document.", columns),
        "Items": page("items", "ItemSummary", nullable(schema_ref("ItemId"))),
        "Item": closed(
            "An item, and all that is stored of it.",
            {
                **columns,
                "git": closed(
                    "Where it comes from.",
                    {"path": TEXT, "branch": TEXT, "revision": said(TEXT, "What was read.")},
                ),
                "attachments": _list("Attachment"),
                "forms": _list("Form"),
                "contentUpdateNeeds": _list("ContentUpdateNeed"),
                "assignments": _list("Assignment"),
                "keywords": _list("Keyword"),
                "log": _list("LoggedCommit"),
                "document": {"type": "object", "description": "item.json, whole."},
            },
        ),
        "Attachment": _entry(Attachment),
        "Form": _entry(Form),
        "ContentUpdateNeed": _entry(ContentUpdateNeed),
        "Assignment": _entry(Assignment),
        "Keyword": _entry(Keyword),
        "LoggedCommit": closed(
            "A commit that was processed.",
            {
                "commitHash": _COMMIT,
                "committedAt": MOMENT,
                "author": TEXT,
                "jobExecutionId": said(
                    nullable(ID), "The execution that did it; null where the item was asked for."
                ),
            },
        ),
        "Problem": closed(
            "An item of the bank that could not be ingested, and why.",
            {
                "itemId": said(TEXT, "The name that the bank has for it, which may be no item id."),
                "path": TEXT,
                "kind": one_of(ProblemKind),
                "message": said(TEXT, "What is wrong, for whoever can mend the item."),
                "commitHash": nullable(_COMMIT),
                "attempts": COUNT,
                "firstAt": MOMENT,
                "lastAt": MOMENT,
            },
        ),
        "Problems": page("problems", "Problem", nullable(TEXT)),
        "PushNotification": {
            "type": "object",
            "description": "GitLab's own push event. It must have these, and may have others.",
            "properties": {
                "object_kind": said(TEXT, "`push`; what is something else is ignored."),
                "project_id": {"type": "integer"},
                "ref": said(TEXT, "The branch; only the default branch counts."),
                "project": {
                    "type": "object",
                    "properties": {
                        "default_branch": nullable(TEXT),
                        "path_with_namespace": said(TEXT, "Its last part is the item's id."),
                    },
                },
            },
        },
        "Queued": closed(
            "A push that is on record.",
            {"outcome": {"type": "string", "const": "QUEUED"}, "itemId": schema_ref("ItemId")},
        ),
        "Ignored": closed(
            "A notification that is about no item.",
            {"outcome": {"type": "string", "const": "IGNORED"}, "reason": TEXT},
        ),
        "ItemResult": closed(
            "What became of one item.",
            {"itemId": schema_ref("ItemId"), "outcome": one_of(ItemOutcome)},
        ),
    }
